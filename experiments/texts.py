"""Texts that others have written, made fit to repeat: without characters that act on a reader's screen, and bounded."""

import json


def shown(text: str, limit: int) -> str:
    """Return the text with unprintable characters escaped, cut to at most `limit` bytes of ASCII JSON."""
    begun = text[:limit]
    plain = begun if begun.isprintable() else "".join(map(_printable, begun))
    if len(begun) == len(text) and _size(plain) <= limit:
        return plain
    while plain and _size(plain + "…") > limit:
        plain = plain[: min(len(plain) - 1, len(plain) * limit // _size(plain))]
    return plain + "…"


def _printable(letter: str) -> str:
    if letter.isprintable() or letter == "\n":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode()


def _size(text: str) -> int:
    return len(json.dumps(text))
