"""A program that behaves like ``docker``, as far as the runtime uses it, and writes down what it was asked."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """\
#!/bin/sh
# images/<name>: the images that are here, with their ids. fail-<word>: what to say instead of doing it.
here={here}
echo "$@" >> $here/calls
name() {{ echo "$1" | tr /: _-; }}
for last; do :; done
if [ -e "$here/fail-$1" ]; then cat "$here/fail-$1" >&2; [ -e "$here/always" ] || rm "$here/fail-$1"; exit 1; fi
case "$1" in
image)
    if [ ! -e "$here/images/$(name "$last")" ]; then echo "Error: No such image: $last" >&2; exit 1; fi
    cat "$here/images/$(name "$last")" ;;
pull)
    [ -e "$here/hang" ] && {{ touch $here/hangs; exec sleep 1000; }}
    [ -n "$DOCKER_CONFIG" ] && cp "$DOCKER_CONFIG/config.json" $here/login-at-pull
    echo "sha256:$(cat $here/next 2>/dev/null || echo 1)" > "$here/images/$(name "$last")" ;;
login)
    [ -e "$here/slow" ] && sleep 1
    cat > $here/password; echo "$DOCKER_CONFIG" > $here/where
    stat -c %a "$DOCKER_CONFIG" >> $here/where; echo secret > "$DOCKER_CONFIG/config.json" ;;
rmi)
    if [ -e "$here/in-use" ]; then echo "conflict: unable to remove, image is being used" >&2; exit 1; fi
    if [ ! -e "$here/images/$(name "$last")" ]; then echo "Error: No such image: $last" >&2; exit 1; fi
    rm "$here/images/$(name "$last")" ;;
esac
"""


class DockerStub:
    """The program is ``path``; ``folder`` is what its script calls ``here``."""

    def __init__(self, folder: Path, program: str = "docker") -> None:
        self.folder = folder
        (folder / "images").mkdir(parents=True)
        (folder / "bin").mkdir()
        self.path = folder / "bin" / program
        self.path.write_text(SCRIPT.format(here=folder))
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        try:
            return (self.folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []

    def called(self, word: str) -> list[str]:
        return [each.split()[-1] for each in self.calls if each.split()[0] == word]

    def fail(self, word: str, text: str, *, always: bool = False) -> None:
        (self.folder / f"fail-{word}").write_text(text)
        if always:
            (self.folder / "always").touch()

    def images(self) -> set[str]:
        return {path.name for path in (self.folder / "images").iterdir()}

    def has(self, name: str, image_id: str = "0") -> None:
        """Somebody else has pulled it."""
        (self.folder / "images" / name.translate({47: "_", 58: "-"})).write_text(f"sha256:{image_id}\n")
