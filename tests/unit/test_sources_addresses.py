"""Which addresses count as public, and what an operator's exceptions cover."""

from __future__ import annotations

import pytest

from trainer.addresses import Allowed, is_public

PUBLIC = ["93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:2800:220:1::1", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "2001:db8::1", "2001:0:1234::1", "2002:7f00:1::", "100::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


def test_an_operator_allows_hosts_networks_and_single_ports() -> None:
    allowed = Allowed(["wiki.intern", "*.example.org:8080", "10.1.0.0/16", "127.0.0.1:5000", "[::1]:5000", "fd00::/8"])
    assert allowed.host("Wiki.Intern", 80)
    assert allowed.host("a.example.org", 8080) and not allowed.host("a.example.org", 80) and not allowed.host("example.org", 8080)
    assert not allowed.host("wiki.intern.evil.com", 80)
    assert allowed.address("10.1.2.3", 443) and not allowed.address("10.2.0.1", 443)
    assert allowed.address("127.0.0.1", 5000) and not allowed.address("127.0.0.1", 5001)
    assert allowed.address("::1", 5000) and allowed.address("fd12::9", 80)
    assert not allowed.address("nonsense", 80)
