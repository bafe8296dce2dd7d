"""Calls com.example.greeter#Greet again and again, and prints what com.example.greeter#SubscribeToGreetings tells.

The device SDK sends any operation that it is given a description of.
"""

import sys
import time

import awsiot.eventstreamrpc as rpc
import awsiot.greengrasscoreipc
from awsiot.greengrasscoreipc.model import GetConfigurationRequest, ServiceError

NAMESPACE = "com.example.greeter#"


class Document(rpc.Shape):
    """A JSON object, whichever; a subclass has the name it goes by."""

    def __init__(self, **members):
        self.members = members

    @classmethod
    def _model_name(cls):
        return NAMESPACE + cls.__name__

    @classmethod
    def _from_payload(cls, payload):
        return cls(**payload)

    def _to_payload(self):
        return self.members


class GreetRequest(Document): ...


class GreetResponse(Document): ...


class SubscribeToGreetingsRequest(Document): ...


class SubscribeToGreetingsResponse(Document): ...


class Greeting(Document): ...


class Greet(rpc.ClientOperation):
    @classmethod
    def _model_name(cls):
        return NAMESPACE + "Greet"

    @classmethod
    def _request_type(cls):
        return GreetRequest

    @classmethod
    def _response_type(cls):
        return GreetResponse


class SubscribeToGreetings(rpc.ClientOperation):
    @classmethod
    def _model_name(cls):
        return NAMESPACE + "SubscribeToGreetings"

    @classmethod
    def _request_type(cls):
        return SubscribeToGreetingsRequest

    @classmethod
    def _response_type(cls):
        return SubscribeToGreetingsResponse

    @classmethod
    def _response_stream_type(cls):
        return Greeting


def tell(text):
    """One write a line: the events come in a thread of the SDK."""
    sys.stdout.write(f"{text}\n")


class PrintGreetings(rpc.StreamResponseHandler):
    def on_stream_event(self, event):
        tell(f"heard {event.members['greeting']!r}")

    def on_stream_error(self, error):
        tell(f"the subscription failed: {error}")
        return True


ipc = awsiot.greengrasscoreipc.connect()
configuration = ipc.new_get_configuration()
configuration.activate(GetConfigurationRequest()).result(10)
seconds = float(configuration.get_response().result(10).value["seconds"])
shapes = rpc.ShapeIndex([GreetResponse, SubscribeToGreetingsResponse, Greeting, ServiceError])


def call(kind, request, handler=None):
    operation = kind(handler, shapes, ipc._connection)
    operation._activate(request).result(10)
    return operation._get_response().result(15).members


subscribed = False
number = 0
while True:
    try:
        if not subscribed:
            call(SubscribeToGreetings, SubscribeToGreetingsRequest(), PrintGreetings())
            subscribed = True
        number += 1
        tell(f"got {call(Greet, GreetRequest(name=f'number {number}'))['greeting']!r}")
    except ServiceError as error:
        tell(f"not now: {error.message}")
    time.sleep(seconds)
