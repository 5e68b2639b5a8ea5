"""Text for people and for spreadsheets: what a stranger typed can neither hide, nor reorder, nor become a formula.

JSON and Parquet hold text exactly; CSV, XLSX and PDF hold what these functions return.
"""

import unicodedata
from typing import Final

#: A cell that begins with one of these is a formula to some spreadsheet (OWASP, CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
#: Format characters (Cf) that scripts and emoji need inside words.
_JOINERS: Final = {"\u200c", "\u200d"}
_HIDDEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, longest: int | None = None) -> str:
    r"""Return the text on one line, where control, bidi and other invisible characters stand as `\u202e`.

    Longer than `longest` characters it is cut and ends in an ellipsis.
    """
    if not text.isprintable():
        text = "".join(_shown(character) for character in text)
    if longest is not None and len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return text


def guarded(text: str) -> str:
    """Return the printable text, an apostrophe before it where a spreadsheet would take it for a formula."""
    text = printable(text)
    return "'" + text if text.lstrip().startswith(_FORMULA) else text


def _shown(character: str) -> str:
    if character in "\n\r\t" or unicodedata.category(character) == "Zs":
        return " "
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
