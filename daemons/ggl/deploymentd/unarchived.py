"""The directories that archives are unpacked to, and what each of them was made from.

Beside a directory ``app`` lies ``.app.unpacked``: the digest of the archive, and the mode and owner that its files were
given. What says the same need not be unpacked again.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ggl.deploymentd.archive import unpack
from ggl.deploymentd.contents import Archive, Owner
from ggl.deploymentd.errors import DeploymentError


def marker(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.unpacked")


def made_from(archive: Archive, digest: str) -> str:
    """What the marker of a directory says that holds ``archive``, whose file has the SHA-256 ``digest``."""
    kind = "" if archive.kind == "ZIP" else f"{archive.kind} "
    return f"{kind}{digest} {archive.mode:o} {archive.owner}"


def is_unpacked(directory: Path, text: str) -> bool:
    """Whether ``directory`` is there and was made from what ``text`` says."""
    try:
        return directory.is_dir() and not directory.is_symlink() and marker(directory).read_text() == text
    except OSError:
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
    marker(directory).write_text(made_from(archive, digest))


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
        # Whose the runtime is, his group does not matter; only root can take a file back from somebody else.
        return (0, 0) if os.geteuid() == 0 and status.st_uid != 0 else None
    return None if (status.st_uid, status.st_gid) == owner else owner
