"""Publishes a reading to a local topic. Topic and interval come from the component's configuration, and changes of the
configuration take effect while it runs; every tenth reading is noted in the configuration itself."""

import threading
import time
from datetime import datetime, timezone

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

ipc = GreengrassCoreIPCClientV2()
changed = threading.Event()


def configuration():
    return ipc.get_configuration().value


def on_change(event):
    path = event.configuration_update_event.key_path
    if path[:1] != ["published"]:
        print(f"configuration changed at {'/'.join(path)}")
        changed.set()


ipc.subscribe_to_configuration_update(on_stream_event=on_change)
config = configuration()
count = int(config.get("published", 0))
print(f"publishing to {config['topic']} every {config['seconds']} s, from number {count + 1}")

while True:
    count += 1
    reading = {"number": count, "celsius": 20 + count % 5, "time": time.time()}
    ipc.publish_to_topic(
        topic=config["topic"], publish_message=PublishMessage(json_message=JsonMessage(message=reading))
    )
    print(f"published {count}")
    if count % 10 == 0:
        ipc.update_configuration(value_to_merge={"published": count}, timestamp=datetime.now(timezone.utc))
    if changed.wait(float(config["seconds"])):
        changed.clear()
        config = configuration()
