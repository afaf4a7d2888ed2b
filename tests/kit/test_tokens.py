"""Random secrets and their stored form."""

from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.tokens import hash_secret, new_secret


def test_secrets_are_long_recognisable_and_different() -> None:
    secrets = {new_secret("ot_") for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("ot_") and len(secret) >= 3 + 256 / 6 for secret in secrets)


@given(st.text())
def test_any_text_has_a_hash_of_fixed_form(text: str) -> None:
    digest = hash_secret(text)
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


def test_hash_takes_lone_surrogates() -> None:
    assert hash_secret("\ud800") != hash_secret("\udfff")
