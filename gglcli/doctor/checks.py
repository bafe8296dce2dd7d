"""All checks, in the order in which a finding of one explains those of later ones; and running them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure

Check = Callable[[Device], Iterable[Finding]]


@dataclass(frozen=True)
class Named:
    """One check: its name on the command line, what it looks at, and where its function is (module, name)."""

    name: str
    summary: str
    module: str
    function: str

    def run(self, device: Device) -> list[Finding]:
        """The findings. A check that fails itself is a finding as well."""
        from importlib import import_module

        check: Check = getattr(import_module(f"gglcli.doctor.{self.module}"), self.function)
        found: list[Finding] = []
        try:
            found.extend(check(device))
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            found.append(failure(self.summary, f"could not be checked: {text}", "report this, with the line above"))
        return [replace(finding, check=self.name) for finding in found]


CHECKS = (
    Named("clock", "clock and its synchronisation", "machine", "clock"),
    Named("disk", "free space and inodes", "machine", "disk"),
    Named("memory", "memory available", "machine", "memory"),
    Named("files", "owners and permissions of the runtime's files", "files", "files"),
    Named("runtime", "whether the runtime is up", "runtime", "runtime"),
    Named("sockets", "socket paths, modes, and whether daemons answer", "sockets", "sockets"),
    Named("daemons", "core daemons", "runtime", "daemons"),
    Named("components", "components", "runtime", "components"),
    Named("units", "services of the device", "runtime", "units"),
    Named("users", "users that components run as", "machine", "users"),
    Named("cgroups", "control groups, for limits of components", "machine", "cgroups"),
    Named("configuration", "what connects the device to AWS", "configuration", "configuration"),
    Named("certificates", "certificate, private key and root CA", "certificates", "certificates"),
    Named("proxy", "the way out through a proxy", "network", "proxy"),
    Named("mqtt", "AWS IoT Core: name, TCP, TLS, connection, policy", "services", "mqtt"),
    Named("credentials", "AWS credentials: name, TCP, TLS, role alias, policy", "services", "credentials"),
    Named("data-plane", "Greengrass data plane: name, TCP, TLS, policy", "services", "data_plane"),
)


def run(checks: Sequence[Named], device: Device) -> Iterator[tuple[Named, list[Finding]]]:
    """The findings of ``checks``, in their order; they run at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        running = [(check, pool.submit(check.run, device)) for check in checks]
        for check, future in running:
            yield check, future.result()
