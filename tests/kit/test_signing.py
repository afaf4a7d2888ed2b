"""Playback tokens: any change is refused, one spelling only, two keys during a rotation (G1-G3)."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.redact import redact
from onetake.kit.signing import (
    Grant,
    Keyring,
    Method,
    ScopeKind,
    TokenInvalid,
    derive_key,
    round_up_hour,
    sign,
    verify,
)

RING = Keyring.from_secret(b"s" * 32)
GRANT = Grant(
    Method.PLAY, ScopeKind.ASSET, "01890a5d-ac96-774b-bcce-b302099a8057", "a" * 32, "user.42", 1_800_000_000, 180
)
NAMES = st.text("abcXYZ019_.:-", min_size=1, max_size=64)


@given(
    st.builds(
        Grant,
        st.sampled_from(Method),
        st.sampled_from(ScopeKind),
        NAMES,
        NAMES,
        NAMES,
        st.integers(0, 2**31),
        st.integers(0, 2**32 - 1),
    )
)
def test_what_is_signed_is_read_back(grant: Grant) -> None:
    token = sign(grant, RING)
    assert verify(token, RING) == replace(grant, expires_s=round_up_hour(grant.expires_s))


def test_tokens_of_one_hour_are_equal_so_that_urls_cache() -> None:
    hour = 1_800_000_000 // 3600 * 3600
    first, later = (sign(replace(GRANT, expires_s=hour + s), RING) for s in (1, 3600))
    assert first == later
    assert verify(first, RING).expires_s == hour + 3600


def test_every_single_bit_change_is_refused() -> None:
    raw = base64.urlsafe_b64decode(sign(GRANT, RING) + "==")
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TokenInvalid):
            verify(base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), RING)


@pytest.mark.parametrize("spoil", [str.upper, str.lower, lambda t: t + "=", lambda t: t + "A", lambda t: t[:-1]])
def test_other_spellings_are_refused(spoil: object) -> None:
    token = sign(GRANT, RING)
    with pytest.raises(TokenInvalid):
        verify(spoil(token), RING)  # type: ignore[operator]


def test_spare_bits_of_the_last_character_do_not_make_a_second_spelling() -> None:
    token = sign(replace(GRANT, viewer="user.4"), RING)
    padded = len(token) % 4
    assert padded, "choose a grant whose token has spare bits"
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    with pytest.raises(TokenInvalid):
        verify(sibling, RING)


def test_two_keys_are_valid_during_rotation_and_the_old_one_ends_with_it() -> None:
    old, new = derive_key(b"1" * 32, "t"), derive_key(b"2" * 32, "t")
    token = sign(GRANT, Keyring({1: old}, 1))
    assert verify(token, Keyring({1: old, 2: new}, 2)).session == GRANT.session
    with pytest.raises(TokenInvalid):
        verify(token, Keyring({2: new}, 2))
    with pytest.raises(TokenInvalid):
        verify(token, Keyring({1: new}, 1))


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).rstrip(b"=").decode()))
def test_any_text_is_refused_with_a_typed_error(text: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(text, RING)


@given(st.binary(max_size=120))
def test_signed_nonsense_of_another_version_is_refused_too(payload: bytes) -> None:
    """Even with the right key (a future or broken signer), a payload that we cannot read is a typed error."""
    import hmac

    payload = bytes([1, 0]) + payload
    mac = hmac.digest(RING.keys[0], payload, "sha256")
    token = base64.urlsafe_b64encode(payload + mac).rstrip(b"=").decode()
    try:
        grant = verify(token, RING)
    except TokenInvalid:
        return
    assert isinstance(grant.method, Method)


@pytest.mark.parametrize("field", ["scope", "session", "viewer"])
@pytest.mark.parametrize("value", ["", "a/b", "a b", "x" * 65, "é", "a\n"])
def test_signer_refuses_fields_that_a_token_cannot_hold(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        sign(replace(GRANT, **{field: value}), RING)  # type: ignore[arg-type]


def test_keyring_refuses_weak_or_missing_keys() -> None:
    for keys, current in (({0: b"short"}, 0), ({0: b"k" * 16}, 1), ({300: b"k" * 16}, 300)):
        with pytest.raises(ValueError, match="key"):
            Keyring(keys, current)


def test_token_fits_a_url_and_is_masked_in_logs() -> None:
    token = sign(GRANT, RING)
    assert len(token) < 200
    assert token not in redact(f"GET /t/{token}/vod/x/index.m3u8")
