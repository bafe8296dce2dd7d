"""Serves the operation com.example.greeter#Greet, and tells every greeting to who subscribed to them.

It needs no SDK: a frame of the databus is one MessagePack list.
"""

import os
import socket
import sys
import time

import msgpack

REQUEST, RESPONSE, NOTIFICATION, ITEM, END = range(5)
GREET = "com.example.greeter#Greet"
SUBSCRIBE = "com.example.greeter#SubscribeToGreetings"
REGISTER = {
    "token": os.environ["SVCUID"],
    "operations": [GREET, SUBSCRIBE],
    "events": {SUBSCRIBE: "com.example.greeter#Greeting"},
}


def serve(bus):
    """Register, then answer requests until the runtime closes the connection, or wants to be asked again."""
    subscribers = set()

    def send(*frame):
        bus.sendall(msgpack.packb(frame))

    def greet(number, caller, request):
        name = request.get("name")
        if not isinstance(name, str) or not name:
            error = {"shape": "InvalidArgumentsError", "message": "whom shall I greet?"}
            send(RESPONSE, number, None, {"error": error})
            return
        greeting = f"Hello, {name}!"
        print(f"{caller} greets {name}")
        send(RESPONSE, number, None, {"response": {"greeting": greeting}})
        for subscriber in subscribers:
            send(ITEM, subscriber, {"greeting": greeting})

    send(REQUEST, 1, "register", [REGISTER, ""])
    unpacker = msgpack.Unpacker()
    while data := bus.recv(65536):
        unpacker.feed(data)
        for kind, number, *rest in unpacker:
            if kind == RESPONSE:
                error = rest[0]
                if error and error[0] in ("BUSY", "RETRY"):
                    print(f"not now: {error[1]}")
                    return
                if error:
                    sys.exit(f"the operations cannot be registered: {error}")
                print("the operations are registered")
            elif kind == REQUEST:
                method, (params, _trail) = rest
                if method == GREET:
                    greet(number, params["component"], params["request"])
                else:
                    subscribers.add(number)
                    send(RESPONSE, number, None, {"response": {}})
            elif kind == END:
                subscribers.discard(number)


while True:
    try:
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(os.environ["GGL_REGISTRATION_SOCKET"])
            serve(bus)
    except OSError as error:
        print(f"the connection is lost: {error}")
    # The runtime may restart the daemon at the other end: the operations have to be registered again.
    time.sleep(0.5)
