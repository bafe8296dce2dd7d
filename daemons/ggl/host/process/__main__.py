from ggl.lazy import defer

# Before anything imports dataclasses: the one is never used, the other by one daemon only.
defer("inspect", "sqlite3")

from ggl.host.process.main import main  # noqa: E402

main()
