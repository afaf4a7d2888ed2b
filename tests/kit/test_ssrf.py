"""The URL guard: disguised addresses, private ranges, rebinding, operator's allow-list (N1)."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.errors import LANGS, AppError
from onetake.kit.ssrf import (
    HTTP_SCHEMES,
    PULL_SCHEMES,
    AddressRefused,
    Allow,
    NameNotResolved,
    Target,
    UrlRefused,
    check_addresses,
    is_public,
    parse_target,
    resolve,
)


def answers(*addresses: str) -> "FakeResolver":
    return FakeResolver([list(addresses)])


class FakeResolver:
    """Gives its answers one after the other, the last one for ever; counts the questions."""

    def __init__(self, rounds: list[list[str]]) -> None:
        self.rounds = rounds
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.rounds[min(len(self.asked), len(self.rounds)) - 1]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "gopher://example.com/",
        "data:text/plain,hi",
        "unix:/run/x.sock",
        "concat:a|b",
        "lavfi:testsrc",
        "pipe:0",
        "//example.com/a",
        "http:///nohost",
        "http://",
        "",
        "http://user:pw@example.com/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://1.2.3.4.5/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "http://example.com/\nHost: evil",
        "http://example.com/a`b",
        "http://[::1",
        "http://-bad.example/",
        "http://例子.example/",
        "http://example.com/" + "a" * 3000,
        "http://example.com\\@127.0.0.1/",
    ],
)
def test_refuses_text_that_is_no_plain_url(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse_target(url)


def test_reads_scheme_host_and_port() -> None:
    assert parse_target("HTTPS://Example.COM./x?y=1") == Target(
        "HTTPS://Example.COM./x?y=1", "https", "example.com", 443
    )
    assert parse_target("rtsp://u:p@[2001:4860::1]:8554/c", PULL_SCHEMES, userinfo=True).host == "2001:4860::1"
    assert parse_target("srt://example.com:4200?mode=caller", PULL_SCHEMES).port == 4200


@pytest.mark.parametrize("lang", LANGS)
def test_says_why_in_every_language(lang: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        parse_target("file:///etc/passwd")
    assert "http, https" in caught.value.detail(lang)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "198.18.0.1",
        "::1",
        "::",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::8.8.8.8",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "ff02::1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "::127.0.0.1",
        "fec0::1",
    ],
)
def test_private_and_reserved_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"]
)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


async def test_one_private_record_refuses_the_whole_name() -> None:
    target = parse_target("http://two-faced.example/")
    with pytest.raises(AddressRefused):
        await resolve(target, resolver=answers("8.8.8.8", "127.0.0.1"))


async def test_every_connect_resolves_and_judges_again() -> None:
    """DNS rebinding: public at save, private at connect."""
    rebinding = FakeResolver([["8.8.8.8"], ["192.168.0.1"]])
    target = parse_target("http://rebind.example/")
    assert [str(a) for a in (await resolve(target, resolver=rebinding)).addresses] == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        await resolve(target, resolver=rebinding)


async def test_literal_addresses_never_reach_the_resolver() -> None:
    resolver = answers("8.8.8.8")
    with pytest.raises(AddressRefused):
        await resolve(parse_target("http://[::ffff:7f00:1]/"), resolver=resolver)
    with pytest.raises(AddressRefused):
        await resolve(parse_target("http://169.254.169.254/latest/"), resolver=resolver)
    assert resolver.asked == []


async def test_operator_may_allow_networks_and_names() -> None:
    allow = Allow.parse(["192.168.7.0/24", " Camera.LAN ", "fd00::/8"])
    camera = parse_target("rtsp://camera.lan/1", PULL_SCHEMES)
    assert (await resolve(camera, allow, answers("10.9.9.9"))).addresses == (ip_address("10.9.9.9"),)
    other = parse_target("rtsp://other.lan/1", PULL_SCHEMES)
    assert (await resolve(other, allow, answers("192.168.7.5", "fd00::5"))).addresses[0] == ip_address("192.168.7.5")
    with pytest.raises(AddressRefused):
        await resolve(other, allow, answers("192.168.8.5"))


async def test_no_answer_failure_and_slowness_are_one_error() -> None:
    async def broken(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    async def slow(host: str, port: int) -> Sequence[str]:
        import asyncio

        await asyncio.Event().wait()
        return []

    target = parse_target("http://gone.example/")
    for resolver in (broken, answers(), slow):
        with pytest.raises(NameNotResolved):
            await resolve(target, resolver=resolver, timeout_s=0.01)


def test_allow_list_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="neither a network"):
        Allow.parse(["10.0.0.0/8", "http://x/"])


def test_scoped_link_local_address_is_refused_not_a_crash() -> None:
    with pytest.raises(AddressRefused):
        check_addresses(parse_target("http://x.example/"), ["fe80::1%eth0"])


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda tail: "http://" + tail))
def test_any_text_is_a_target_or_a_typed_refusal(url: str) -> None:
    try:
        target = parse_target(url)
    except AppError:
        return
    assert target.scheme in HTTP_SCHEMES
    assert target.host


@given(st.ip_addresses())
def test_public_never_overlaps_what_the_standard_library_calls_local(address: object) -> None:
    parsed = ip_address(str(address))
    if parsed.is_loopback or parsed.is_private or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        assert not is_public(parsed)
