"""Every case in which a host is cut off from everything else and comes back: see tests/faults/cases.py; `make faults` plays all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buckets import S3, keys
from tests.faults.cases import CUTS, Case
from tests.faults.cuts import EVERYONE, play_cut
from tests.hosts.hosts import Hosts

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def hosts(s3_server: S3) -> Iterator[Hosts]:
    """One installation that lives through all of them."""
    with keys(), Hosts(s3_server) as hosts:
        hosts.start(*EVERYONE)
        hosts.until_ready(*EVERYONE)
        yield hosts


@pytest.mark.parametrize("case", [each for each in CUTS if each.in_tests], ids=lambda case: case.name)
def test_the_others_go_on_and_nothing_is_lost_doubled_or_mixed_up(case: Case, hosts: Hosts) -> None:
    play_cut(case, hosts)
