"""The network between the device and AWS, for tests to play with."""

from __future__ import annotations

from collections.abc import Callable

from tests.cloud.gates import Gate


class Network:
    """All that lies between the device and AWS. Without a name, a method is about every endpoint.

    Names: ``mqtt``, ``credentials``, ``data-plane``, ``files`` (where pre-signed URLs lead), ``services`` (S3 and the
    other services of the SDKs), and ``alpn`` where asked for.
    """

    def __init__(self, kill_broker: Callable[[], None], start_broker: Callable[[], None]) -> None:
        self.gates: dict[str, Gate] = {}
        self._kill_broker = kill_broker
        self._start_broker = start_broker

    def cut(self, *names: str, silently: bool = False) -> None:
        """End the connections and refuse new ones; ``silently``: they stay, but nothing passes any more."""
        for gate in self._named(names):
            gate.stall() if silently else gate.shut()

    def restore(self, *names: str) -> None:
        for gate in self._named(names):
            gate.open()

    def refuse(self, *names: str) -> None:
        """The same as ``cut``, for an endpoint that is down while others are up."""
        self.cut(*names)

    def drop_connections(self, *names: str) -> None:
        """Reset the connections there are; new ones are welcome."""
        for gate in self._named(names):
            gate.reset_connections()

    def delay(self, seconds: float, *names: str) -> None:
        """Each piece takes ``seconds`` longer, each way."""
        for gate in self._named(names):
            gate.weather.delay = seconds

    def limit(self, bytes_per_second: float, *names: str) -> None:
        """So many bytes a second on each connection, each way; 0: no limit."""
        for gate in self._named(names):
            gate.weather.bytes_per_second = bytes_per_second

    def cut_after(self, count: int | None, *names: str) -> None:
        """Reset each connection once ``count`` bytes have gone to the device; ``None``: no longer."""
        for gate in self._named(names):
            gate.weather.cut_after = count

    def connections(self, *names: str) -> int:
        """How many there are now."""
        return sum(gate.connections() for gate in self._named(names))

    def accepted(self, *names: str) -> int:
        """How many there have been."""
        return sum(gate.accepted for gate in self._named(names))

    def kill_broker(self) -> None:
        """End the broker without a word to the device; sessions and queued messages are gone with it."""
        gate = self.gates["mqtt"]
        was_open = gate.is_open
        gate.shut()  # what is acknowledged from now on would not be seen
        self._kill_broker()
        if was_open:
            gate.open()

    def start_broker(self) -> None:
        self._start_broker()

    def close(self) -> None:
        for gate in self.gates.values():
            gate.close()

    def _named(self, names: tuple[str, ...]) -> list[Gate]:
        return [self.gates[name] for name in names] if names else list(self.gates.values())
