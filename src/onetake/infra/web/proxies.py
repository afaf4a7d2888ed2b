"""Who really calls: X-Forwarded-* headers, believed only from listed proxies (L1, ASVS 4.1.3)."""

import ipaddress
import re
from collections.abc import Sequence

from onetake.infra.settings_errors import SettingsError
from onetake.infra.web.headers import Scope, all_values, header, replace_header, split_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?\Z")
MAX_HOPS = 20


class TrustedProxies:
    """The networks whose forwarding headers are believed."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises SettingsError for a name that is neither an address nor a network."""
        try:
            self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(name, strict=False) for name in names)
        except ValueError as error:
            raise SettingsError(f"ONETAKE_TRUSTED_PROXIES must list addresses or networks: {error}.") from None

    def apply(self, scope: Scope) -> None:
        """Rewrite the peer, scheme and host of `scope` to the original ones when the peer is a listed proxy."""
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        if peer is None or not self._trusts(peer):
            return
        scope["client"] = (str(self._origin(peer, all_values(scope, "x-forwarded-for"))), 0)
        proto = (header(scope, "x-forwarded-proto") or "").split(",")[-1].strip().lower()
        if proto in ("http", "https"):
            scope["scheme"] = {"http": "ws", "https": "wss"}[proto] if scope["type"] == "websocket" else proto
        host = (header(scope, "x-forwarded-host") or "").split(",")[-1].strip()
        if split_host(host):
            replace_header(scope, "host", host)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _origin(self, peer: Address, forwarded_for: str) -> Address:
        """From the right, the first address that is no proxy of ours: what stands left of it can be forged."""
        origin = peer
        for part in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
            address = parse_address(part.strip())
            if address is None:
                return origin
            origin = address
            if not self._trusts(address):
                return origin
        return origin


def parse_address(text: str) -> Address | None:
    """An IP address, with or without port and brackets; IPv4-mapped IPv6 becomes IPv4; None for other text."""
    found = _WITH_PORT.match(text)
    try:
        address = ipaddress.ip_address((found[1] or found[2]) if found else text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def address_block(ip: str | None) -> str:
    """What a rate limit counts as one caller: an IPv4 address, a /64 of IPv6."""
    address = parse_address(ip or "")
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address) if address else "unknown"
