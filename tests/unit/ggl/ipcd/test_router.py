"""Who serves an operation."""

from __future__ import annotations

import pytest

from ggl.catalog import Daemon
from ggl.ipc.model import OPERATIONS
from ggl.ipcd.router import Router, Taken

CATALOG = (Daemon("configd", ("gg_config", "gg_more"), ipc_operations=("GetConfiguration",)),)
OTHER = "com.example#Other"


def test_the_catalogue_names_the_first_interface_of_a_daemon() -> None:
    router = Router(CATALOG)
    assert router.interface_of("aws.greengrass#GetConfiguration") == "gg_config"
    assert router.interface_of(OTHER) is None
    assert router.routes() == {"aws.greengrass#GetConfiguration": "gg_config"}


def test_the_catalogue_cannot_be_overridden() -> None:
    with pytest.raises(Taken):
        Router(CATALOG).register("aws.greengrass#GetConfiguration", "mine")


def test_the_latest_registration_serves_and_the_earlier_one_again_after_it() -> None:
    router = Router(())
    router.register(OTHER, "first")
    router.register(OTHER, "second")
    assert router.interface_of(OTHER) == "second"
    router.unregister(OTHER, "second")
    assert router.interface_of(OTHER) == "first"
    router.unregister(OTHER, "first")
    assert router.interface_of(OTHER) is None
    assert router.routes() == {}


def test_a_daemon_that_registers_again_before_its_old_connection_is_noticed_dead() -> None:
    router = Router(())
    router.register(OTHER, "same")
    router.register(OTHER, "same")
    router.unregister(OTHER, "same")
    assert router.interface_of(OTHER) == "same"


def test_operations_outside_the_model_need_a_policy_of_what_their_name_begins_with() -> None:
    router = Router(())
    router.register(OTHER, "first", event="com.example#Event")
    operation = router.operation_of(OTHER)
    assert operation is not None
    assert (operation.name, operation.service, operation.event_shape) == (OTHER, "com.example", "com.example#Event")
    assert operation.resources is not None
    assert operation.resources({}) == ["*"]
    router.register(OTHER, "second")
    operation = router.operation_of(OTHER)
    assert operation is not None
    assert not operation.streaming, "what the latest says holds"
    assert router.operation_of("com.example#Nobody") is None


def test_operations_of_the_model_keep_what_the_model_says() -> None:
    router = Router(())
    router.register("aws.greengrass#GetSecretValue", "first", event="com.example#Event")
    assert router.operation_of("aws.greengrass#GetSecretValue") is OPERATIONS["aws.greengrass#GetSecretValue"]
