"""Ask a stand-in that runs by hand for something:

    python -m tests.cloud.call DIR components.put com.example.Hello 1.0.0 @recipe.yaml
    python -m tests.cloud.call DIR jobs.deploy '{"com.example.Hello": "1.0.0"}'
    python -m tests.cloud.call DIR jobs.create @document.json
    python -m tests.cloud.call DIR jobs.execution ID
    python -m tests.cloud.call DIR mqtt.messages '$aws/#'
    python -m tests.cloud.call DIR network.cut

An argument is JSON where it can be read as such, a string otherwise; ``key=value`` is a named one; ``@file`` is what
the file holds, as data if it is JSON or YAML by its name, as bytes if not.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.cloud.control import call


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    named, positional = {}, []
    for word in sys.argv[3:]:
        given = re.fullmatch(r"([a-z_]+)=(.*)", word, re.DOTALL)
        if given:
            named[given[1]] = _value(given[2])
        else:
            positional.append(_value(word))
    try:
        result = call(Path(sys.argv[1]), sys.argv[2], *positional, **named)
    except (OSError, RuntimeError) as error:
        print(f"{sys.argv[2]}: {error}", file=sys.stderr)
        return 1
    print(result if isinstance(result, str) else json.dumps(result, indent=2))
    return 0


def _value(word: str) -> Any:
    if word.startswith("@"):
        path = Path(word[1:])
        return yaml.safe_load(path.read_text()) if path.suffix in (".json", ".yaml", ".yml") else path.read_bytes()
    try:
        return json.loads(word)
    except ValueError:
        return word


if __name__ == "__main__":
    sys.exit(main())
