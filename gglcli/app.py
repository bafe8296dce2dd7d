"""The command tree: what commands there are and where they live. Importing it imports none of them."""

from __future__ import annotations

import typer

from gglcli.framework import Lazy, LazyGroup

COMMANDS = {
    "up": Lazy("up", "Start the runtime.", "up"),
    "down": Lazy("up", "Stop the runtime and everything it runs.", "down"),
    "status": Lazy("status", "Show how the runtime, its daemons and its components are.", "status"),
    "doctor": Lazy("doctor", "Look for what keeps this device from working.", "doctor"),
    "deploy": Lazy("deploy", "Deploy components from local files, and look at deployments."),
    "rollback": Lazy("rollback", "Bring back what this device ran before.", "rollback"),
    "component": Lazy("component", "List, inspect, start, stop and remove components."),
    "recovery": Lazy("recovery", "Look at what was done after something could not be kept running."),
    "config": Lazy("config", "Read, change and watch the configuration."),
    "logs": Lazy("logs", "Show the logs of components and daemons.", "logs"),
    "pubsub": Lazy("pubsub", "Publish messages to components, and see what they publish."),
    "mqtt": Lazy("mqtt", "Publish and subscribe to AWS IoT Core over the device's connection."),
    "ipc": Lazy("ipc", "Look on while components use the runtime."),
    "bus": Lazy("bus", "Talk to the daemons over the databus (for engineers)."),
    "install": Lazy("install", "Install the runtime on this device, as services.", "install"),
    "uninstall": Lazy("install", "Stop the runtime of this device, and remove its services.", "uninstall"),
    "version": Lazy("version", "Show the version.", "version"),
    "complete": Lazy("complete", "Print values for shell completion.", "complete", hidden=True),
}

HELP = """Run AWS IoT Greengrass v2 components on this device.

Every command writes tables on a terminal, plain text in a pipe and JSON with --json, and ends with a stable exit code.

Examples:
  ggl up                            # start the runtime
  ggl deploy local ./my-component   # run a component from a folder
  ggl status                        # what runs, and how it is
  ggl logs -f com.example.Hello     # follow a log
"""


class Root(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    name="ggl",
    cls=Root,
    help=HELP,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Typer makes a group only of an application with a callback; the options are added by ``LazyGroup``."""


def build() -> Root:
    """The root group."""
    group = typer.main.get_command(app)
    assert isinstance(group, Root)
    return group
