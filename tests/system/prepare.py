"""Makes build/system/ggl: a virtual environment for /opt/ggl, of the system's own Python, with the checkout's ggl.

The libraries are installed when pyproject.toml has changed, which takes a while; the package itself is copied each
time, which does not. Run by sandbox.sh with the system's Python, which every user of the machine may execute.
"""

from __future__ import annotations

import compileall
import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build/system"
TREE = BUILD / "ggl"
TARGET = "/opt/ggl"
PACKAGES = {"ggl": CHECKOUT / "daemons/ggl", "gglcli": CHECKOUT / "gglcli"}


def main() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = BUILD / "pyproject.toml"
        wanted = (CHECKOUT / "pyproject.toml").read_bytes()
        if not stamp.exists() or stamp.read_bytes() != wanted:
            _install_libraries()
            stamp.write_bytes(wanted)
        (site,) = TREE.glob("lib/python3*/site-packages")
        for name, source in PACKAGES.items():
            _copy(source, site / name)
            compileall.compile_dir(site / name, quiet=1, stripdir=TREE, prependdir=TARGET)


def _install_libraries() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    venv.create(TREE, symlinks=True)
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True).returncode:
        pip = [str(CHECKOUT / ".venv/bin/pip")]
    subprocess.run(
        [*pip, "--python", TREE / "bin/python3", "install", "--quiet", "--disable-pip-version-check", CHECKOUT],
        check=True,
    )
    script = TREE / "bin/ggl"
    script.write_text(
        f"#!{TARGET}/bin/python3\nimport sys\n\nfrom gglcli.__main__ import main\n\n"
        'sys.argv[0] = "ggl"\nsys.exit(main())\n'
    )


def _copy(source: Path, target: Path) -> None:
    """Only what has changed, so that only that is compiled again."""
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    for old in target.rglob("*"):
        if old.is_file() and old.suffix != ".pyc" and old.relative_to(target) not in wanted:
            old.unlink()
    for path in wanted:
        new, state = target / path, (source / path).stat()
        if new.exists() and (new.stat().st_size, new.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns):
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, new)


if __name__ == "__main__":
    main()
