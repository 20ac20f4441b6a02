"""Which addresses may be fetched from: the public internet, and what the operator allows besides."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges that Python's own tables call global, or call so in some versions, and that must not be reached from a server.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the wire server of Azure's machines
            "192.0.0.0/24",  # protocols' own, one cloud's metadata among them
            "192.88.99.0/24",  # 6to4 relays
            "::/96",  # IPv4 written as IPv6, long out of use
            "64:ff9b:1::/48",  # a translator's own network
            "100::/64",  # discarded
            "2001::/23",  # Teredo, which wraps any IPv4 address, and other protocols' ranges
            "2002::/16",  # 6to4, which does too
            "fec0::/10",  # site-local, of old
        ),
    )
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; IPv4 inside IPv6 counts as what it leads to."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found in _MAPPED or found in _TRANSLATED):
        found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    outside = found.is_multicast or found.is_reserved or found.is_unspecified or found.is_link_local or found.is_loopback or found.is_private
    return found.is_global and not outside and not any(found in network for network in _NEVER if network.version == found.version)


class Allowed:
    """The operator's exceptions: host names with ``*``, IP addresses and networks, each with or without a port behind it."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._hosts: list[tuple[str, int | None]] = []
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]] = []
        for entry in entries:
            place, port = _split(entry.strip().lower())
            try:
                self._networks.append((ipaddress.ip_network(place, strict=False), port))
            except ValueError:
                self._hosts.append((place, port))

    def host(self, host: str, port: int) -> bool:
        """Whether that host is named, so that whatever it resolves to is allowed."""
        return any(fnmatchcase(host.lower().rstrip("."), pattern) and wanted in (None, port) for pattern, wanted in self._hosts)

    def address(self, address: str, port: int) -> bool:
        """Whether that IP address is in a named network."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found.version == n.version and found in n and wanted in (None, port) for n, wanted in self._networks)


def _split(entry: str) -> tuple[str, int | None]:
    """``host:80`` and ``[::1]:80`` into place and port."""
    if entry.startswith("["):
        place, _, port = entry[1:].partition("]")
        return place, int(port[1:]) if port[1:].isdigit() else None
    place, colon, port = entry.rpartition(":")
    return (place, int(port)) if colon and port.isdigit() and ":" not in place else (entry, None)
