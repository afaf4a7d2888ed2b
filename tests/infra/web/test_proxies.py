"""Whose word about the caller is believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.settings import SettingsError
from onetake.infra.web.headers import header
from onetake.infra.web.proxies import TrustedProxies, address_block, parse_address


def scope(peer: str, **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "client": (peer, 1234), "scheme": "http", "headers": [(b"host", b"inner:8000"), *raw]}


def test_a_stranger_cannot_say_who_he_is() -> None:
    request = scope(
        "203.0.113.9", x_forwarded_for="10.0.0.1", x_forwarded_proto="https", x_forwarded_host="evil.example"
    )
    TrustedProxies(["10.0.0.0/8"]).apply(request)
    assert (request["client"][0], request["scheme"], header(request, "host")) == ("203.0.113.9", "http", "inner:8000")


def test_a_listed_proxy_is_believed() -> None:
    request = scope(
        "10.0.0.2", x_forwarded_for="198.51.100.7", x_forwarded_proto="https", x_forwarded_host="video.example"
    )
    TrustedProxies(["10.0.0.0/8"]).apply(request)
    assert (request["client"][0], request["scheme"], header(request, "host")) == (
        "198.51.100.7",
        "https",
        "video.example",
    )


@pytest.mark.parametrize(
    ("forwarded", "origin"),
    [
        ("1.2.3.4, 198.51.100.7", "198.51.100.7"),  # what stands left was sent by the caller itself
        ("1.2.3.4, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("198.51.100.7:51000", "198.51.100.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("rubbish", "10.0.0.2"),
        ("198.51.100.7, rubbish", "10.0.0.2"),
        ("", "10.0.0.2"),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxy(forwarded: str, origin: str) -> None:
    request = scope("10.0.0.2", x_forwarded_for=forwarded)
    TrustedProxies(["10.0.0.0/8"]).apply(request)
    assert request["client"][0] == origin


def test_websocket_scheme_follows() -> None:
    request = scope("10.0.0.2", x_forwarded_proto="https") | {"type": "websocket", "scheme": "ws"}
    TrustedProxies(["10.0.0.2"]).apply(request)
    assert request["scheme"] == "wss"


@given(st.text(st.characters(max_codepoint=255), max_size=300), st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_forwarded_header_breaks_the_request(forwarded: str, host: str) -> None:
    request = scope("10.0.0.2", x_forwarded_for=forwarded, x_forwarded_host=host, x_forwarded_proto=host)
    TrustedProxies(["10.0.0.0/8"]).apply(request)
    assert parse_address(request["client"][0]) is not None
    assert request["scheme"] in ("http", "https")


def test_bad_networks_are_named() -> None:
    with pytest.raises(SettingsError, match="ONETAKE_TRUSTED_PROXIES"):
        TrustedProxies(["nginx"])


def test_ipv6_callers_count_by_their_64() -> None:
    assert address_block("2001:db8:1:2:3::4") == address_block("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert address_block("192.0.2.1") == "192.0.2.1" == address_block("::ffff:192.0.2.1")
    assert address_block(None) == "unknown"
