"""Credentials never reach a log: addresses, stream keys, playback tokens, tickets, named secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.redact import redact, redact_tree
from onetake.kit.tokens import new_secret

SECRET = "s3cr3t-w4lrus-under-gl4ss"


@pytest.mark.parametrize(
    "text",
    [
        f"rtmp://camera:{SECRET}@10.0.0.1/live/a",
        f"https://host/a.m3u8?token={SECRET}",
        f"rtmp://host/live/{SECRET}",
        f"GET /t/{SECRET}/vod/x/index.m3u8",
        f"< Sec-WebSocket-Protocol: onetake, ticket.{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f'{{"stream_key": "{SECRET}"}}',
    ],
)
def test_what_is_secret_is_masked(text: str) -> None:
    assert SECRET not in redact(text)
    assert SECRET not in str(redact_tree({"line": [text]}))


@pytest.mark.parametrize("ticket", [new_secret() for _ in range(20)], ids=range(20))
def test_every_ticket_is_masked_and_the_rest_of_the_line_stays(ticket: str) -> None:
    line = redact(f'Sec-WebSocket-Protocol: "onetake, ticket.{ticket}", 3 topics')
    assert ticket not in line
    assert line == 'Sec-WebSocket-Protocol: "onetake, ticket.***", 3 topics'


@pytest.mark.parametrize("text", ["the ticket.", "ticket.expires_at", "see docs/ticket.md", "/t/short/x"])
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=400))
def test_any_text_can_be_redacted_again_without_a_change(text: str) -> None:
    assert redact(redact(text)) == redact(text)
