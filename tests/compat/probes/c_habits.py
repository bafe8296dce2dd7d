"""A component with the habits of the C SDK: reads its configuration and publishes it. With a second argument it says
no more than that this is its name, as the C SDK can, and must then be told its token."""

import os
import sys

from tests.compat.clients.c_sdk import CConnection

socket_path = os.environ["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"]
by_name = len(sys.argv) > 2
connection = CConnection(
    socket_path, {"componentName": sys.argv[2]} if by_name else {"authToken": os.environ["SVCUID"]}
)
assert connection.svcuid == (os.environ["SVCUID"] if by_name else "")
value = connection.call("GetConfiguration", {"keyPath": ["greeting"]})["value"]
message = {"jsonMessage": {"message": value}}
connection.call("PublishToTopic", {"topic": sys.argv[1], "publishMessage": message})
connection.close()
