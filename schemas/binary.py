"""The parts of Avro's binary encoding, for the two events that a worker writes tens of thousands a second of.

`schemas.codecs` writes every event from its schema; what is put together here is the same to the byte, at a fraction
of the time.
"""

from functools import lru_cache
from struct import Struct
from typing import Final

# Integers have seven bits a byte, and a top bit that says whether more follow. Here by two bytes at once.
_PAIRS: Final = 1 << 14
_LAST: Final = [bytes((it,)) if it < 128 else bytes((it & 0x7F | 0x80, it >> 7)) for it in range(_PAIRS)]
_MORE: Final = [bytes((it & 0x7F | 0x80, it >> 7 | 0x80)) for it in range(_PAIRS)]

#: An array or a map without items, and the end of one with some.
NO_ITEMS: Final = b"\x00"
#: A double.
double = Struct("<d").pack
#: Two, one behind the other.
two_doubles = Struct("<dd").pack


def long(number: int) -> bytes:
    """Return an integer of at most 64 bits."""
    rest = (number << 1) ^ (number >> 63)
    if rest < _PAIRS:
        return _LAST[rest]
    encoded = b""
    while rest >= _PAIRS:
        encoded += _MORE[rest & _PAIRS - 1]
        rest >>= 14
    return encoded + _LAST[rest]


#: A time in microseconds: the thousands of a batch have few different ones.
time = lru_cache(maxsize=4096)(long)


@lru_cache(maxsize=65_536)
def text(characters: str) -> bytes:
    """Return a string; the same few names come again and again."""
    encoded = characters.encode()
    return long(len(encoded)) + encoded


def items(encoded: list[bytes]) -> bytes:
    """Return an array or a map of items that are encoded already: one block of them, and the end."""
    return long(len(encoded)) + b"".join(encoded) + NO_ITEMS if encoded else NO_ITEMS
