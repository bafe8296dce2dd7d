"""Sends readings to AWS IoT Core, takes a new interval from there, and shows whose AWS credentials it has.

Without a connection to AWS the readings wait on the device (QoS 1), and it goes on.
"""

import os
import threading
import time
import urllib.request
from json import dumps, loads

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import QOS

THING = os.environ.get("AWS_IOT_THING_NAME", "")
ipc = GreengrassCoreIPCClientV2()
config = ipc.get_configuration().value
seconds = float(config["seconds"])
changed = threading.Event()


def on_command(event):
    global seconds
    try:
        seconds = max(0.1, float(loads(event.message.payload)["seconds"]))
    except (ValueError, KeyError, TypeError) as error:
        print(f"this is no command: {event.message.payload!r} ({error})")
        return
    print(f"a reading every {seconds} s from now on")
    changed.set()


def credentials():
    """The AWS SDKs do this by themselves: boto3.client("s3") in this component needs no more than itself."""
    request = urllib.request.Request(
        os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return loads(answer.read())


def show_credentials():
    try:
        found = credentials()
        print(f"AWS credentials {found['AccessKeyId']}, until {found['Expiration']}")
    except (OSError, KeyError) as error:
        print(f"no AWS credentials: {error}")


if not THING:
    print("this device is not connected to AWS: there is nobody to send readings to")
    raise SystemExit(0)
show_credentials()
ipc.subscribe_to_iot_core(topic_name=f"{THING}/interval", qos=QOS.AT_LEAST_ONCE, on_stream_event=on_command)
count = 0
while True:
    count += 1
    reading = {"number": count, "celsius": 20 + count % 5, "time": time.time()}
    ipc.publish_to_iot_core(topic_name=f"{THING}/readings", qos=QOS.AT_LEAST_ONCE, payload=dumps(reading).encode())
    print(f"sent {count}")
    changed.wait(seconds)
    changed.clear()
