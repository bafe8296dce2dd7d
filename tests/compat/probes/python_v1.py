"""A component that uses the first version of the Python SDK: reads its configuration and publishes it."""

import sys

import awsiot.greengrasscoreipc
from awsiot.greengrasscoreipc.model import GetConfigurationRequest, JsonMessage, PublishMessage, PublishToTopicRequest

ipc = awsiot.greengrasscoreipc.connect()
reading = ipc.new_get_configuration()
reading.activate(GetConfigurationRequest(key_path=["greeting"]))
value = reading.get_response().result(60).value
publishing = ipc.new_publish_to_topic()
message = PublishMessage(json_message=JsonMessage(message=value))
publishing.activate(PublishToTopicRequest(topic=sys.argv[1], publish_message=message))
publishing.get_response().result(60)
