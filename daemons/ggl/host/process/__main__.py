from ggl.lazy import defer, lean

lean()
defer("sqlite3")  # one daemon only needs it

from ggl.host.process.main import main  # noqa: E402

main()
