"""A file that is downloaded in as many pieces as it takes.

Beside the unfinished file lies what it is a part of: where it is from, its size, and the tag by which the server tells
one content from another. Only what is still the same is gone on with, also after this process was killed.
"""

from __future__ import annotations

import errno
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.cloud.https import NoAnswer, Response, TooLarge, download
from ggl.deploymentd.fetch_retry import Passing
from ggl.deploymentd.space import disk_is_full, size_text
from ggl.durable import write_json

if TYPE_CHECKING:
    from ggl.cloud.settings import ProxySettings
    from ggl.deploymentd.fetch import Context

STALLED = 20.0
"""Seconds without a byte after which a connection counts as lost."""
_TELL = 1.0
"""Seconds between two words about the progress."""


@dataclass(frozen=True)
class Source:
    """What is downloaded. ``size`` in bytes; ``tag``: the ETag of the content."""

    name: str
    size: int
    tag: str


class Part:
    """The unfinished file ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._info = path.with_name(f"{path.name}.new")

    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def begin(self, source: Source) -> int:
        """The bytes of ``source`` that are there already; whatever else there is goes. Raises ``OSError``."""
        if self._known() == asdict(source) and source.tag and self.size() <= source.size:
            return self.size()
        self.drop()
        write_json(self._info, asdict(source))
        return 0

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """It is finished: nobody goes on with it."""
        self._info.unlink(missing_ok=True)

    def _known(self) -> object:
        try:
            return json.loads(self._info.read_text())
        except (OSError, ValueError):
            return None


def go_on(
    part: Part,
    source: Source,
    url: str,
    headers: Mapping[str, str],
    trust: ssl.SSLContext,
    proxy: ProxySettings,
    context: Context,
) -> Response | None:
    """Download what ``part`` lacks of ``source``; ``None`` when all of it is there, else the server's refusal.

    Raises ``Passing`` when the connection is lost (what has come stays), ``DeploymentError`` when it does not fit.
    """
    offset = part.begin(source)
    if offset == source.size > 0:
        return None
    context.reserve(source.size - offset)
    label = f"downloading {source.name.rpartition('/')[2]} for {context.component}"
    told = 0.0

    def on_data(size: int) -> None:
        nonlocal told
        context.patience.check()
        if not told and size > offset:
            # That it gets on is no failed attempt, however often the device is switched off meanwhile.
            context.patience.wait(0.0, label)
        if time.monotonic() >= told + _TELL:
            told = time.monotonic()
            context.patience.tell(f"{label}: {size_text(size)} of {size_text(source.size)}")

    try:
        answer = download(
            url,
            part.path,
            trust,
            proxy,
            headers,
            offset,
            on_data=on_data,
            timeout=STALLED,
            limit=source.size,
        )
    except TooLarge as error:
        part.drop()
        raise Passing(f"{error}, unlike what was announced") from None
    except NoAnswer as error:
        raise Passing(str(error)) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_is_full(part.path) from None
        raise
    if answer.status == 416:
        part.drop()
        raise Passing("the server does not have what is missing of it any more")
    if answer.status not in (200, 206):
        return answer
    if part.size() != source.size:
        raise Passing(f"{part.size()} of {source.size} bytes have come")
    return None
