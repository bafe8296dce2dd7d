"""The table in the documentation says what has just been seen."""

from __future__ import annotations

import pytest

from tests.compat import table
from tests.compat.case import JS
from tests.compat.table import COMPLETE, RESULTS


def test_the_table_of_the_documentation_is_fresh(request: pytest.FixtureRequest) -> None:
    if not request.config.stash[COMPLETE]:
        pytest.skip("only some of the cases were run")
    results = request.config.stash[RESULTS]
    if any(result.client == JS and result.outcome == "skipped" for result in results):
        pytest.skip("the JavaScript SDK was not tried")
    assert table.in_page() == table.render(results), "run: python -m tests.compat.table"
