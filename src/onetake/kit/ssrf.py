"""The one guard for URLs that people give us: pull, import, webhook, poster (R11, R19, N1).

Three steps, each a pure decision with the network kept outside: `parse_target` judges the text, `check_addresses`
judges what the name resolved to, and the caller connects to an address of the returned `Pinned`, never to the name.
Redirects and names inside playlists go through the same three steps again.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from onetake.kit.errors import AppError, Lang, Text

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "rtmp": 1935,
    "rtmps": 443,
    "rtsp": 554,
    "rtsps": 322,
    "srt": 9000,
}
HTTP_SCHEMES = frozenset({"http", "https"})
PULL_SCHEMES = frozenset(DEFAULT_PORTS)
MAX_URL_CHARS = 2048

# is_global of the standard library differs between Python versions, so what must never be reached is written out.
_REFUSED: tuple[Network, ...] = tuple(
    ip_network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_NUMBER_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


_REASONS = {
    "too_long": Text(en="it is too long", zh_cn="地址过长", zh_tw="位址過長"),
    "bad_characters": Text(
        en="it holds blanks or characters that must be percent-encoded",
        zh_cn="含有空格或须百分号编码的字符",
        zh_tw="含有空格或須百分號編碼的字元",
    ),
    "unreadable": Text(en="it cannot be read", zh_cn="格式有误", zh_tw="格式有誤"),
    "wrong_scheme": Text(
        en="the scheme must be one of {schemes}", zh_cn="协议须为 {schemes} 之一", zh_tw="通訊協定須為 {schemes} 之一"
    ),
    "credentials": Text(
        en="it carries a user name or password", zh_cn="含有用户名或密码", zh_tw="含有使用者名稱或密碼"
    ),
    "bad_port": Text(en="the port is not usable", zh_cn="端口不可用", zh_tw="連接埠不可用"),
    "no_host": Text(en="it names no host", zh_cn="缺少主机名", zh_tw="缺少主機名稱"),
    "bad_host": Text(en="the host name is not valid", zh_cn="主机名无效", zh_tw="主機名稱無效"),
    "disguised_ip": Text(
        en="write an IP address in its ordinary dotted form",
        zh_cn="IP 地址须用常规点分格式",
        zh_tw="IP 位址須用一般點分格式",
    ),
}


class UrlRefused(AppError):
    """The text is not a URL that we would ever open. Parameters: `reason`, a word; `schemes` that would do."""

    status = 422
    code = "url_refused"
    text = Text(
        en="This address is not accepted: {reason}.", zh_cn="不接受此地址：{reason}。", zh_tw="不接受此位址：{reason}。"
    )

    def __init__(self, reason: str, schemes: str = "") -> None:
        super().__init__(field="url", reason=reason, schemes=schemes)

    @classmethod
    def words(cls, lang: Lang, params: Mapping[str, object]) -> str:
        """The sentence with its reason, both in `lang`."""
        return cls.text.render(lang, reason=_REASONS[str(params["reason"])].render(lang, **params))


class AddressRefused(AppError):
    """The name leads into a private or reserved network that the operator has not allowed."""

    status = 422
    code = "address_refused"
    text = Text(
        en="{host} leads to a private or reserved address. The setting ONETAKE_PULL_ALLOW can allow it.",
        zh_cn="{host} 指向内网或保留地址，可通过设置项 ONETAKE_PULL_ALLOW 放行。",
        zh_tw="{host} 指向內網或保留位址，可透過設定項 ONETAKE_PULL_ALLOW 放行。",
    )

    def __init__(self, host: str) -> None:
        super().__init__(field="url", host=host)


class NameNotResolved(AppError):
    """DNS gave no answer for the host."""

    status = 422
    code = "name_not_resolved"
    text = Text(
        en="The host name {host} could not be resolved.",
        zh_cn="无法解析主机名 {host}。",
        zh_tw="無法解析主機名稱 {host}。",
    )

    def __init__(self, host: str) -> None:
        super().__init__(field="url", host=host)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose text is acceptable. `host` is lower case and without brackets; `url` is the text as given."""

    url: str
    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Pinned:
    """A target with the only addresses that may be connected to."""

    target: Target
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Allow:
    """What the operator lets through although it is private: networks, and host names whatever they resolve to."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Allow":
        """From settings text: `10.0.0.0/8`, `192.168.1.20`, `camera.lan`.

        Raises:
            ValueError: an entry is neither a network nor a host name.
        """
        networks, hosts = [], set()
        for entry in (raw.strip() for raw in entries):
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                if not _HOST.fullmatch(entry):
                    raise ValueError(f"names neither a network nor a host: {entry!r}") from None
                hosts.add(_fold(entry))
        return cls(tuple(networks), frozenset(hosts))

    def permits(self, host: str, address: Address) -> bool:
        """Whether this private `address`, reached under the name `host`, is allowed."""
        return host in self.hosts or any(address in net for net in self.networks if net.version == address.version)


def is_public(address: Address) -> bool:
    """Whether `address` is an ordinary Internet address: not private, local, reserved, mapped or translated."""
    return not any(address in net for net in _REFUSED if net.version == address.version)


def parse_target(url: str, schemes: frozenset[str] = HTTP_SCHEMES, *, userinfo: bool = False) -> Target:
    """Judge the text of a URL.

    Args:
        url: the text a person gave.
        schemes: the schemes of this use; everything else is refused.
        userinfo: whether `user:password@` is acceptable (cameras need it; webhooks and imports do not).

    Raises:
        UrlRefused: wrong scheme, control characters, no host, disguised IP address, bad port.
    """
    if len(url) > MAX_URL_CHARS:
        raise UrlRefused("too_long")
    if not url.isascii() or any(char <= " " or char in '\x7f\\"<>^`{|}' for char in url):
        raise UrlRefused("bad_characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("unreadable") from None
    scheme = parts.scheme.lower()
    if scheme not in schemes:
        raise UrlRefused("wrong_scheme", schemes=", ".join(sorted(schemes)))
    if "@" in parts.netloc and not userinfo:
        raise UrlRefused("credentials")
    if port == 0:
        raise UrlRefused("bad_port")
    return Target(url, scheme, _host_of(parts), port or DEFAULT_PORTS[scheme])


def check_addresses(target: Target, addresses: Iterable[str], allow: Allow | None = None) -> Pinned:
    """Judge what the host resolved to. One refused address refuses the whole name: no rebinding by a second record.

    Raises:
        AddressRefused: a private or reserved address that `allow` does not cover.
        NameNotResolved: no address at all.
    """
    allow = allow or Allow()
    found = tuple(dict.fromkeys(ip_address(text.partition("%")[0]) for text in addresses))
    if not found:
        raise NameNotResolved(target.host)
    for address in found:
        if not is_public(address) and not allow.permits(target.host, address):
            raise AddressRefused(target.host)
    return Pinned(target, found)


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Addresses of `host` by the system's resolver, in its order."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


async def resolve(
    target: Target, allow: Allow | None = None, resolver: Resolver = system_resolver, timeout_s: float = 5.0
) -> Pinned:
    """Resolve once and judge the answer; the caller then connects to `Pinned.addresses` only.

    Raises:
        AddressRefused, NameNotResolved: as `check_addresses`; a resolver that fails or takes too long counts as no
            answer.
    """
    literal = _literal(target.host)
    if literal is not None:
        return check_addresses(target, [target.host], allow)
    try:
        async with asyncio.timeout(timeout_s):
            answer = await resolver(target.host, target.port)
    except (OSError, TimeoutError):
        raise NameNotResolved(target.host) from None
    return check_addresses(target, answer, allow)


def _host_of(parts: SplitResult) -> str:
    host = _fold(parts.hostname or "")
    if not host:
        raise UrlRefused("no_host")
    if _literal(host) is not None:
        return host
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise UrlRefused("bad_host")
    # WHATWG URL §3.5: a host that ends in a number is an IPv4 address in disguise (decimal, octal, hex, short form).
    if _NUMBER_LABEL.fullmatch(host.rpartition(".")[2]):
        raise UrlRefused("disguised_ip")
    return host


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _fold(host: str) -> str:
    return host.lower().rstrip(".")
