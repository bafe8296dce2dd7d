"""Connections and streams, whatever the operation: getting in, and how subscriptions come to their ends."""

from __future__ import annotations

from tests.compat.actions.asking import at_once, call, ended_with, on_the_command_line, refused_connection
from tests.compat.actions.deploying import as_a_component
from tests.compat.actions.messages import json_event, json_message, publish, publish_to_somebody
from tests.compat.actions.serving import end_from_server, event_from_server, serve
from tests.compat.actions.world import kill
from tests.compat.case import Answer, C, Case, Step

STATUS = {"certificateUpdate": {"certificate": "x"}}
OPERATION = "SubscribeToCertificateUpdates"
REQUEST = {"certificateOptions": {"certificateType": "SERVER"}}
STREAMS = "Ends of subscriptions"
CONNECTING = "Connecting"
X = Answer({"componentName": "{me}", "value": {"x": 1}})

CASES = (
    Case(OPERATION, "the runtime ends it", REQUEST, Answer(), (serve(OPERATION, {"response": {}}),), then=(
        Step(event_from_server(STATUS), (STATUS,)), end_from_server(), lambda scene: scene.subscriptions[0].end(),
        call("GetConfiguration", {"keyPath": ["x"]}, X),
    ), row=STREAMS, ends=True),
    Case(OPERATION, "an error ends it", REQUEST, Answer(), (serve(OPERATION, {"response": {}}),), then=(
        Step(event_from_server(STATUS), (STATUS,)), end_from_server("the sky fell"),
        ended_with(0, "ServiceError", ".*the sky fell.*"),
        call("GetConfiguration", {"keyPath": ["x"]}, X),
    ), row=STREAMS, ends=True),
    Case("SubscribeToTopic", "a killed daemon does not end it", {"topic": "{me}/t"}, Answer(), then=(
        Step(publish("{me}/t", json_message({"n": 1})), (json_event("{me}/t", {"n": 1}),)),
        kill("pubsubd"),
        Step(publish_to_somebody("{me}/t", json_message({"n": 2})), (json_event("{me}/t", {"n": 2}),)),
    ), row=STREAMS),
    Case("GetConfiguration", "a wrong token", {"keyPath": ["x"]}, X,
         then=(refused_connection("0123456789ABCDEF"), refused_connection("")), row=CONNECTING),
    Case("GetConfiguration", "as a component", {"keyPath": ["x"]}, X, then=(as_a_component(),), row=CONNECTING),
    Case("GetConfiguration", "as a component that says its name", {"keyPath": ["x"]}, X,
         then=(as_a_component(by_name=True),), row=CONNECTING, clients=(C,)),
    Case("GetConfiguration", "many calls at once", {"keyPath": ["x"]}, X,
         then=(at_once(15, "GetConfiguration", {"keyPath": ["x"]}, X),), row=CONNECTING),
    Case("GetConfiguration", "as a client of the command line", {"keyPath": ["x"]}, X, then=(on_the_command_line(),),
         row=CONNECTING),
    Case("GetConfiguration", "many connections", {"keyPath": ["x"]}, X,
         then=tuple(lambda scene: scene.connect("{me}").call("GetConfiguration", {"keyPath": ["x"]}) for _ in range(5)),
         row=CONNECTING),
)  # fmt: skip
