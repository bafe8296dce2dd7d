"""Prints every message on the topics that its configuration names, and says by itself when it is ready."""

import threading

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import ReportedLifecycleState

ipc = GreengrassCoreIPCClientV2()
topic = ipc.get_configuration(key_path=["topic"]).value["topic"]


def on_message(event):
    if event.json_message:
        print(f"received on {event.json_message.context.topic}: {event.json_message.message}")
    else:
        print(f"received on {event.binary_message.context.topic}: {event.binary_message.message!r}")


ended = threading.Event()
ipc.subscribe_to_topic(topic=topic, on_stream_event=on_message, on_stream_closed=ended.set)
ipc.update_state(state=ReportedLifecycleState.RUNNING)
print(f"listening to {topic}")
ended.wait()
raise SystemExit("the subscription ended")
