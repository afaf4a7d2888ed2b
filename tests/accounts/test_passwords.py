"""Password rules (A1) and hashing."""

import asyncio
import statistics
import time

import pytest
from argon2.low_level import Type, hash_secret
from hypothesis import given
from hypothesis import strategies as st

from onetake.accounts import passwords
from onetake.accounts.errors import PasswordIsName, PasswordTooCommon, PasswordTooLong, PasswordTooShort
from onetake.accounts.passwords import (
    check_password,
    common_passwords,
    generate_password,
    hash_password,
    verify_password,
)
from onetake.kit.errors import Invalid, Unavailable


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "xkcd-936",
        "ｐａｒｏｌｅ　secrète",
        "一二三四五六七八",
        " leading and trailing ",
        "🎬🎬🎬🎬🎬🎬🎬🎬",
        "x" * 64 + "y" * 64,
    ],
)
def test_no_composition_rule_and_unicode_is_kept(password: str) -> None:
    check_password(password, ("somebody", None))


@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("short77", PasswordTooShort),
        ("", PasswordTooShort),
        ("x" * 129, PasswordTooLong),
        ("password", PasswordTooCommon),
        ("PassWord123", PasswordTooCommon),
        ("１２３４５６７８", PasswordTooCommon),  # full-width digits fold to the plain ones
        ("woaini1314", PasswordTooCommon),
        ("qwertyuiop", PasswordTooCommon),
        ("Lin.Wei.2026", PasswordIsName),
        ("LIN@example.org", PasswordIsName),
    ],
)
def test_refused(password: str, error: type[Invalid]) -> None:
    with pytest.raises(error) as caught:
        check_password(password, ("lin.wei.2026", "lin@example.org", None))
    assert caught.value.field == "password"
    assert not password or password not in caught.value.detail("zh-CN")


def test_the_list_is_long_folded_and_within_the_length_rule() -> None:
    listed = common_passwords()
    assert len(listed) >= 3000
    assert all(len(entry) >= 8 and entry == entry.casefold() for entry in listed)


def test_generated_passwords_pass_and_differ() -> None:
    made = {generate_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_password(password, ("admin",))


async def test_argon2id_hash_round_trip() -> None:
    stored = await hash_password("a long sentence")
    assert stored.startswith("$argon2id$")
    assert await verify_password("a long sentence", stored) == (True, None)
    assert await verify_password("another sentence", stored) == (False, None)


async def test_weaker_parameters_are_replaced_at_sign_in() -> None:
    weak = hash_secret(b"a long sentence", b"somesaltsomesalt", 1, 8, 1, 32, Type.ID).decode()
    fits, fresh = await verify_password("a long sentence", weak)
    assert fits
    assert fresh is not None
    assert await verify_password("a long sentence", fresh) == (True, None)


@pytest.mark.parametrize("stored", ["", "!", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$broken"])
async def test_a_foreign_hash_lets_nobody_in(stored: str) -> None:
    assert await verify_password("anything at all", stored) == (False, None)


async def test_unknown_names_cost_the_same_work() -> None:
    """CPU work, not wall time: the median of several must lie in one magnitude (A2)."""
    stored = await hash_password("a long sentence")
    await verify_password("warm up", None)

    async def median_s(target: str | None) -> float:
        spent = []
        for _ in range(5):
            started = time.process_time()
            await verify_password("wrong", target)
            spent.append(time.process_time() - started)
        return statistics.median(spent)

    known, unknown = await median_s(stored), await median_s(None)
    assert 0.5 < known / unknown < 2


async def test_a_crowd_at_the_door_is_sent_away_instead_of_piling_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 2)
    results = await asyncio.gather(*(hash_password("a long sentence") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [str, str, Unavailable, Unavailable, Unavailable]
    assert (await hash_password("a long sentence")).startswith("$argon2id$")


@given(st.text(max_size=200))
def test_any_text_passes_or_names_its_rule(password: str) -> None:
    refused: Invalid | None = None
    try:
        check_password(password, ("somebody",))
    except Invalid as error:
        refused = error
    assert refused is not None or 8 <= len(password) <= 128
