"""Where a request really comes from, and whether a rail calls back from there.

The address of whoever connects is the truth. ``X-Forwarded-For`` is only believed for as many steps as there are
proxies of our own (``TRUSTED_PROXIES``): everything before that was written by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from wsgiref.types import WSGIApplication

from werkzeug.middleware.proxy_fix import ProxyFix

#: Some proxies write the port too: 192.0.2.1:4711 and [2001:db8::1]:4711.
_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[\d.]+))(?::\d+)?", re.ASCII)


class Networks:
    """From which networks each rail calls back; a rail without a list may call from anywhere."""

    def __init__(self, by_rail: Mapping[str, Sequence[str]]) -> None:
        """``by_rail``: addresses and networks as in settings, such as ``196.201.212.0/24``."""
        self._networks = {rail: [ip_network(each) for each in listed] for rail, listed in by_rail.items() if listed}

    def has(self, rail: str, address: str | None) -> bool:
        """Whether a rail may call from this address; what is no address is from nowhere."""
        if rail not in self._networks:
            return True
        caller = read_address(address or "")
        return caller is not None and any(_inside(caller, network) for network in self._networks[rail])


ANYWHERE = Networks({})


def read_address(said: str) -> IPv4Address | IPv6Address | None:
    """An address as a server or a proxy writes it; an IPv4 address inside IPv6 is that IPv4 address."""
    found = _WITH_PORT.fullmatch(said.strip())
    try:
        address = ip_address((found["v6"] or found["v4"]) if found else said.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def behind_proxies(app: WSGIApplication, proxies: int) -> WSGIApplication:
    """The application as its callers reach it through exactly so many proxies of ours."""
    if not proxies:
        return app
    return ProxyFix(app, x_for=proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0)


def _inside(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network
