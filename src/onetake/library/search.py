"""Search by title that works for Chinese: folding and grams, without any database's own full-text engine.

A title is folded (NFKC, case, accents kept, everything that is no letter or digit becomes one space) and cut into
overlapping pairs of characters, with a mark behind the last character of each word. A word of a query is contained in
a title only if all its pairs are grams of the title; the folded title itself then decides. One character is found as a
prefix of its pairs.
"""

import unicodedata
from dataclasses import dataclass

END = "\x01"
LAST = "\U0010ffff"
"""Below and above every character of a word. END is below the space with which MySQL pads comparisons."""
MAX_FOLDED_CHARS = 255
MAX_QUERY_WORDS = 8
MAX_QUERY_CHARS = 128


def fold(text: str) -> str:
    """`text` in the form in which titles and queries are compared: words of letters and digits, one space between."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if _is_word(char) else " " for char in normal).split())


def fold_title(title: str) -> str:
    """A folded title as it is stored; a few characters become many by NFKC, what is too long is cut off."""
    return fold(title)[:MAX_FOLDED_CHARS].rstrip()


def title_grams(title: str) -> set[str]:
    """All grams of a title, as stored in the index."""
    return {gram for word in fold_title(title).split() for gram in _pairs(word + END)}


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query: every word must be contained; `grams` must exist, `prefixes` are its one-character words.

    `is_hopeless`: something was typed that no title can be found by, such as “???”; that finds nothing.
    """

    words: tuple[str, ...] = ()
    grams: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    is_hopeless: bool = False

    def __bool__(self) -> bool:
        return bool(self.words) or self.is_hopeless


def parse_query(text: str) -> Query:
    """The words of what a person typed; blank asks for nothing, and so for everything. Never raises."""
    words = tuple(dict.fromkeys(fold(text[:MAX_QUERY_CHARS]).split()))[:MAX_QUERY_WORDS]
    grams = tuple(dict.fromkeys(gram for word in words for gram in _pairs(word)))
    prefixes = tuple(word for word in words if len(word) == 1)
    return Query(words, grams, prefixes, is_hopeless=not words and bool(text.strip()))


def like_pattern(word: str) -> str:
    """A LIKE pattern for "contains `word`"; folded words hold no wildcard except `_`, which `_is_word` refuses."""
    return f"%{word}%"


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)]


def _is_word(char: str) -> bool:
    """Letters, digits and the marks that belong to them (Devanagari vowels, combining accents)."""
    return unicodedata.category(char)[0] in "LNM"
