"""The directories that archives are unpacked to, and what each of them was made from.

Beside a directory ``app`` lies ``.app.unpacked``. Its first line has the digest of the archive, and the mode and owner
that its files were given; then comes a line for everything that was unpacked, with what changes when somebody changes
it. What says the same, and is still so, need not be unpacked again. What a component makes beside it does not matter.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ggl.deploymentd.archive import unpack
from ggl.deploymentd.contents import Archive, Owner
from ggl.deploymentd.errors import DeploymentError
from ggl.privilege import can_change_users


def marker(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.unpacked")


def made_from(archive: Archive, digest: str) -> str:
    """What the marker of a directory says that holds ``archive``, whose file has the SHA-256 ``digest``."""
    kind = "" if archive.kind == "ZIP" else f"{archive.kind} "
    return f"{kind}{digest} {archive.mode:o} {archive.owner}"


def is_unpacked(directory: Path, text: str) -> bool:
    """Whether ``directory`` was made from what ``text`` says, and everything in it is there and unchanged.

    A file's size, type, permissions and time of change tell; its content is not read.
    """
    try:
        if directory.is_symlink() or not directory.is_dir():
            return False
        made, *entries = marker(directory).read_bytes().split(b"\n")
        return made == text.encode() and all(entry == _entry(directory, entry.split(b" ", 3)[3]) for entry in entries)
    except (OSError, ValueError, IndexError):
        return False


def unpack_to(directory: Path, file: Path, archive: Archive, digest: str, room: int) -> None:
    """Unpack ``file`` to ``directory``, hand it over and mark it. Raises as ``archive.unpack`` and ``hand_over`` do."""
    marker(directory).unlink(missing_ok=True)
    unpack(file, directory, archive.kind, room)
    # From the bottom up: nobody else can put anything into a directory that is still to be worked on.
    for folder, folders, names in os.walk(directory, topdown=False):
        for name in (*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))):
            hand_over(Path(folder, name), archive.mode, archive.owner)
        hand_over(Path(folder), 0o755, archive.owner)
    lines = [made_from(archive, digest).encode(), *_entries(directory)]
    marker(directory).write_bytes(b"\n".join(lines))


def _entries(directory: Path) -> Iterator[bytes]:
    for folder, folders, names in os.walk(directory):
        for name in (*folders, *names):
            yield _entry(directory, os.fsencode(os.path.relpath(os.path.join(folder, name), directory)))


def _entry(directory: Path, name: bytes) -> bytes:
    """The marker's line for what is at ``name`` in ``directory``. Raises ``OSError``."""
    status = os.lstat(os.path.join(os.fsencode(directory), name))
    if stat.S_ISDIR(status.st_mode):
        return b"%o 0 0 %b" % (stat.S_IFDIR, name)  # they change with whatever is made in them
    return b"%o %d %d %b" % (status.st_mode, status.st_size, status.st_mtime_ns, name)


def hand_over(path: Path, mode: int, owner: Owner) -> None:
    """Give ``path`` its owner and, unless it is a link, its mode. Raises ``DeploymentError`` when that may not be."""
    status = path.lstat()
    try:
        if wanted := wrong_owner(status, owner):
            os.chown(path, *wanted, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(path.lstat().st_mode) != mode:
            os.chmod(path, mode)
    except PermissionError as error:
        text = f"the owner and the permissions of {path} cannot be set: {error.strerror}"
        raise DeploymentError(text, "ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "SET_PERMISSION_ERROR") from None


def wrong_owner(status: os.stat_result, owner: Owner) -> tuple[int, int] | None:
    """The uid and gid that a file with ``status`` should have instead; ``None`` when it has the right ones."""
    if owner is None:
        # Whose the runtime is, his group does not matter; not every runtime can take a file back from somebody else.
        return (os.geteuid(), os.getegid()) if can_change_users() and status.st_uid != os.geteuid() else None
    return None if (status.st_uid, status.st_gid) == owner else owner
