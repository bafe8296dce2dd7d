"""Run the configuration daemon by hand."""

from __future__ import annotations

from ggl.daemon import main

if __name__ == "__main__":
    main("configd")
