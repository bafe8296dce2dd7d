"""A component that uses the second version of the Python SDK: reads its configuration and publishes it."""

import sys

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

client = GreengrassCoreIPCClientV2()
value = client.get_configuration(key_path=["greeting"]).value
client.publish_to_topic(topic=sys.argv[1], publish_message=PublishMessage(json_message=JsonMessage(message=value)))
client.close()
