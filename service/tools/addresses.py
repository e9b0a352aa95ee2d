"""Which hosts a tool may name, and which addresses it may reach.

Pure: names and addresses in, a verdict out.
"""

import ipaddress
import re
from collections.abc import Iterable

_ENTRY = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")


def is_public(address: str) -> bool:
    """True for an address that belongs to one host on the open internet.

    False for private, shared (CGNAT), loopback, link-local, multicast, reserved and unspecified
    addresses, and for IPv6 forms that hide an IPv4 address (mapped, compatible, 6to4, NAT64):
    what lies behind them is not for us to guess.

    Source: the IANA special-purpose address registries, as `ipaddress` knows them.
    """
    parsed = ipaddress.ip_address(address)
    if not parsed.is_global or parsed.is_multicast or parsed.is_reserved:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.sixtofour is None and not parsed.is_site_local
    return True


def is_allowed(host: str, port: int, allowed_hosts: Iterable[str]) -> bool:
    """True when one of the entries names the host.

    Args:
        host: lower case; IPv6 addresses in brackets.
        port: of the request.
        allowed_hosts: `host` (any port), `host:port`, `*.domain` (every host below the domain, not
            the domain itself), `*.domain:port`.
    """
    return any(_names(entry, host, port) for entry in allowed_hosts)


def _names(entry: str, host: str, port: int) -> bool:
    match = _ENTRY.fullmatch(entry.lower())
    if match is None or match["port"] not in (None, str(port)):
        return False
    name = match["host"]
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
