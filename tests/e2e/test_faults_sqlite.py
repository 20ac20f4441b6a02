"""Every fault of the table that needs SQLite, or is the same on both databases: see tests/faults/cases.py; `make faults` plays all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.scenes import play
from tests.town.town import Town

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """One installation that lives through all of them."""
    with Town("sqlite") as town:
        yield town


@pytest.mark.parametrize("case", [each for each in CASES if each.database == "sqlite" and each.in_tests], ids=lambda case: case.name)
def test_nothing_is_lost_doubled_or_mixed_up(case: Case, town: Town) -> None:
    play(case, town)
