"""The core daemons: what each is called, which bus interfaces it serves, and which IPC operations it handles.

This is the registration the architecture asks for, in the form of a service file: the host makes every socket from it
before any daemon runs, and the IPC bridge knows from it whom to ask, so that a daemon is started by the first request.
"""

from __future__ import annotations

from dataclasses import dataclass

from ggl.cloud import TOKEN_EXCHANGE
from ggl.version import NUCLEUS


@dataclass(frozen=True)
class Daemon:
    """One core daemon, as the host and the IPC bridge need to know it."""

    name: str
    interfaces: tuple[str, ...]
    ipc_operations: tuple[str, ...] = ()
    """Names without the ``aws.greengrass#`` prefix."""
    public: tuple[str, ...] = ()
    """Interfaces that every user of the device may connect to; the daemon itself finds out who may do what."""
    ipc_socket: bool = False
    """It serves the socket that components connect to."""
    shared: bool = True
    """Its code is loaded once, in the supervisor, for every fork to share; not so for a daemon that runs rarely."""
    idle_exit: float | None = 60.0
    """Seconds without a connection after which the daemon exits; ``None``: it stays."""
    at_start: bool = False
    """It is started with the runtime, and may leave again."""
    woken_by: tuple[tuple[str, ...], ...] = ()
    """Key paths of the configuration: at each change the daemon is told, and started for that, by a call of
    ``configuration_changed`` on its first interface."""
    unfinished: str = ""
    """A directory below the state. If anything is in it when the runtime starts, the daemon is started too: it was
    interrupted, and has something to go on with."""
    every: float | None = None
    """Seconds after which the host starts it again, if it is not there: to look whether something is due."""
    mqtt_filters: tuple[str, ...] = ()
    """Topics of AWS IoT Core whose messages are for the daemon; ``{thing}`` stands for the thing name. Each message is
    a call of ``mqtt_message`` on its first interface, which starts it."""
    network: bool = False
    """It talks to the cloud itself."""
    loopback: bool = False
    """It serves TCP ports of the loopback interface, which the host opens on request (``gg_host.listen``); there is a
    process of it for each port."""
    told_of_connection: bool = False
    """Each time the connection to AWS IoT Core has been made, ``mqtt_connected`` is called on its first interface."""
    capabilities: tuple[str, ...] = ()
    """What the daemon needs of root's power where the runtime has a user of its own (capabilities(7))."""
    privileged: bool = False
    """It runs as root also where the runtime has a user of its own."""

    @property
    def module(self) -> str:
        return f"ggl.{self.name}.service"


SPREAD = 0.1
"""The part of ``Daemon.every`` that a host may add to it at random: devices that began together do not stay so."""

CLI_GROUPS = ("services", "aws.greengrass.Cli", "configuration", "AuthorizedPosixGroups")
"""Key path of the setting that says whose members may use the command line tool of Greengrass."""

_NUCLEUS = ("services", NUCLEUS, "configuration")
CLOUD_KEYS = (
    ("system",),
    *((*_NUCLEUS, key) for key in ("awsRegion", "iotDataEndpoint", "iotCredEndpoint", "iotRoleAlias")),
    *((*_NUCLEUS, key) for key in ("mqtt", "networkProxy")),
)
"""Key paths of what decides how the cloud is reached, and as whom."""
_JOBS = "$aws/things/{thing}/jobs"
_SHADOW = "$aws/things/{thing}/shadow/name/AWSManagedGreengrassV2Deployment"

DAEMONS = (
    Daemon(
        "configd",
        ("gg_config",),
        ipc_operations=("GetConfiguration", "UpdateConfiguration", "SubscribeToConfigurationUpdate"),
    ),
    Daemon(
        "healthd",
        ("gg_health",),
        ipc_operations=(
            "UpdateState",
            "ListComponents",
            "GetComponentDetails",
            "StopComponent",
            "RestartComponent",
            "PauseComponent",
            "ResumeComponent",
        ),
    ),
    Daemon(
        "deploymentd",
        ("gg_deployment",),
        ipc_operations=(
            "CreateLocalDeployment",
            "CancelLocalDeployment",
            "GetLocalDeploymentStatus",
            "ListLocalDeployments",
        ),
        shared=False,
        idle_exit=2.0,
        unfinished="deployments",
        network=True,
        # Artifacts are handed to the users of components, and the directories of removed ones are cleared.
        capabilities=("CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE"),
    ),
    Daemon(
        "consentd",
        ("gg_consent",),
        ipc_operations=(
            "SubscribeToComponentUpdates",
            "DeferComponentUpdate",
            "SubscribeToValidateConfigurationUpdates",
            "SendConfigurationValidityReport",
        ),
    ),
    # The hooks for the rollback of a whole system are root's.
    Daemon("recoveryd", ("gg_recovery",), shared=False, idle_exit=2.0, unfinished="recovery", privileged=True),
    Daemon("pubsubd", ("gg_pubsub",), ipc_operations=("PublishToTopic", "SubscribeToTopic")),
    Daemon("telemetryd", ("gg_telemetry",), ipc_operations=("PutComponentMetric",), shared=False, idle_exit=10.0),
    Daemon(
        "ipcd",
        ("gg_ipc", "gg_registration"),
        public=("gg_registration",),
        ipc_socket=True,
        at_start=True,
        woken_by=(CLI_GROUPS,),
        # The files by which command line clients connect belong to their groups.
        capabilities=("CAP_CHOWN",),
    ),
    Daemon(
        "iotcored",
        ("aws_iot_mqtt",),
        ipc_operations=("PublishToIoTCore", "SubscribeToIoTCore", "SubscribeToIoTCoreConnectionStatus"),
        shared=False,
        idle_exit=2.0,
        at_start=True,
        woken_by=CLOUD_KEYS,
        network=True,
    ),
    Daemon(
        "tesd",
        ("aws_iot_tes",),
        shared=False,
        idle_exit=10.0,
        woken_by=(*CLOUD_KEYS, ("services", TOKEN_EXCHANGE, "configuration")),
        told_of_connection=True,
        network=True,
    ),
    Daemon("tesserverd", (), shared=False, idle_exit=2.0, loopback=True),
    Daemon(
        "jobsd",
        ("gg_jobs",),
        shared=False,
        idle_exit=2.0,
        unfinished="jobs",
        mqtt_filters=(
            f"{_JOBS}/notify-namespace-aws-gg-deployment",
            f"{_JOBS}/notify-next-namespace-aws-gg-deployment",
            f"{_JOBS}/+/namespace-aws-gg-deployment/get/+",
            f"{_JOBS}/+/namespace-aws-gg-deployment/update/+",
            f"{_SHADOW}/get/accepted",
            f"{_SHADOW}/get/rejected",
            f"{_SHADOW}/update/accepted",
            f"{_SHADOW}/update/rejected",
        ),
        told_of_connection=True,
    ),
    Daemon(
        "fleetstatusd",
        ("gg_fleet_status",),
        shared=False,
        idle_exit=2.0,
        every=3600.0,
        told_of_connection=True,
    ),
)

HOST_INTERFACE = "gg_host"
MAX_PORTS = 8
"""That a host opens for one daemon."""


def find(name: str) -> Daemon:
    """The daemon called ``name``; raises ``KeyError``."""
    for daemon in DAEMONS:
        if daemon.name == name:
            return daemon
    raise KeyError(name)


def instance(name: str, port: int) -> str:
    """What the daemon ``name`` is called that serves ``port``."""
    return f"{name}@{port}"
