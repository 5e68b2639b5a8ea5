"""Byte strings in one buffer, read by operations on all of them at once.

Avro and Kafka write integers alike, seven bits a byte, the sign last. Where a record ends is not seen from within it:
whoever reads on behind the last one meets zeros, and compares the place where the reading ended with the record's end.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: What a buffer ends with, so that words can be read at the end of its last string.
PADDING: Final = bytes(64)

_TOP_BIT: Final = 0x80
_TOP_BITS: Final = np.uint64(0x8080808080808080)
_ONE: Final = np.uint64(1)
_HALF_TOP_BITS: Final = np.uint32(0x80808080)
_HALF_ONE: Final = np.uint32(1)


class Packed(NamedTuple):
    """Strings that lie in `data` one behind the other, each at its place; a size of -1 stands for none."""

    data: bytes
    at: Ints
    size: Ints

    def one(self, row: int) -> bytes | None:
        """Return the string of a row."""
        at, size = int(self.at[row]), int(self.size[row])
        return None if size < 0 else self.data[at : at + size]

    def all(self) -> Iterator[bytes | None]:
        """Yield the strings of all rows."""
        for at, size in zip(self.at.tolist(), self.size.tolist(), strict=True):
            yield None if size < 0 else self.data[at : at + size]

    def rows(self, chosen: Ints) -> "Packed":
        """Return the strings of some rows, in ascending order."""
        return Packed(self.data, self.at[chosen], self.size[chosen])

    def indexed(self) -> tuple[Ints, list[bytes]]:
        """Return the strings, all of which are there, as indices into those that differ, in order of appearance."""
        found = self.strings().dictionary_encode()
        codes = np.frombuffer(found.indices.buffers()[1], np.int32, len(found))  # `to_numpy` imports pandas
        return codes.astype(np.int64), found.dictionary.to_pylist()

    def are(self, codes: Ints, names: Sequence[bytes]) -> Bools:
        """Return which strings are the name with their code; none is as good as an empty one."""
        import pyarrow.compute as pc  # here: it takes longer than all else, and few programs read batches

        same = pc.equal(self.strings(), packed(names).strings().take(_for_arrow(codes)))
        bits = np.frombuffer(same.buffers()[1], np.uint8)
        return np.unpackbits(bits, count=len(same), bitorder="little").view(np.bool_)

    def strings(self) -> Any:
        """Return the strings of all rows for Arrow, for which what lies between two of them is a string as well."""
        rows = len(self.at)
        edges = np.full(2 * rows + 1, len(self.data))
        edges[:-1:2], edges[1::2] = self.at, self.at + np.maximum(self.size, 0)
        buffers = [None, pa.py_buffer(edges), pa.py_buffer(self.data)]
        strings = pa.Array.from_buffers(pa.large_binary(), 2 * rows, buffers)
        return strings.take(_for_arrow(np.arange(0, 2 * rows, 2)))


def _for_arrow(numbers: Ints) -> Any:
    """Return numbers as Arrow has them; to make an array in its own ways it would import pandas."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def packed(texts: Sequence[bytes | None]) -> Packed:
    """Return strings one behind the other in a buffer of their own."""
    size = np.array([-1 if text is None else len(text) for text in texts], np.int64)
    filled = np.maximum(size, 0)
    return Packed(b"".join([*filter(None, texts), PADDING]), np.cumsum(filled) - filled, size)


class Block:
    """The bytes of a buffer, and views of the four and eight bytes that begin at any of them."""

    def __init__(self, data: bytes) -> None:
        self.bytes: Bytes = np.frombuffer(data, np.uint8)
        everywhere: Any = {"shape": (len(data) - 7,), "buffer": data, "strides": (1,)}
        self.halves: npt.NDArray[np.uint32] = np.ndarray(dtype="<u4", **everywhere)
        self.words: Words = np.ndarray(dtype="<u8", **everywhere)
        self.limit = len(data) - 16  # behind every record, and eight bytes can be read there

    def doubles(self, at: Ints, number: int) -> npt.NDArray[np.float64]:
        """Return so many numbers from each place on."""
        size = 8 * number
        runs = np.ndarray((len(self.bytes) - size + 1,), f"V{size}", self.bytes, strides=(1,))
        return runs[at].view("<f8")

    def behind(self, at: Ints, size: npt.NDArray[np.signedinteger[Any]] | int) -> Ints:
        """Return the places `size` bytes on, never behind the block."""
        places: Ints = np.minimum(at + size, self.limit)
        return places

    def varints(self, at: Ints) -> tuple[Ints, Ints, Bools]:
        """Return the integers there, the places behind them, and which of them are at most eight bytes long."""
        single = self.bytes[at]
        if single.max(initial=0) < _TOP_BIT:
            numbers = (single >> 1).view(np.int8) ^ -(single & 1).view(np.int8)
            return numbers.astype(np.int64), self.behind(at, 1), np.ones(len(at), np.bool_)
        halves = self.halves[at]
        ends = ~halves & _HALF_TOP_BITS
        if not ends.all():
            return self._long_varints(at)
        last = ends & (~ends + _HALF_ONE)  # the top bit of the last byte
        with np.errstate(over="ignore"):
            halves &= (last << _HALF_ONE) - _HALF_ONE
        # groups of seven bits move together, then those of fourteen
        halves = (halves & np.uint32(0x007F007F)) | ((halves & np.uint32(0x7F007F00)) >> _HALF_ONE)
        halves = (halves & np.uint32(0x00003FFF)) | ((halves & np.uint32(0x3FFF0000)) >> np.uint32(2))
        size = np.frexp(last.astype(np.float32))[1] >> 3
        numbers = (halves >> _HALF_ONE).astype(np.int32) ^ -(halves & _HALF_ONE).astype(np.int32)
        return numbers.astype(np.int64), self.behind(at, size), np.ones(len(at), np.bool_)

    def _long_varints(self, at: Ints) -> tuple[Ints, Ints, Bools]:
        words = self.words[at]
        ends = ~words & _TOP_BITS
        last = ends & (~ends + _ONE)  # the top bit of the last byte
        with np.errstate(over="ignore"):
            words &= (last << _ONE) - _ONE
        # groups of seven bits move together, then those of fourteen, then those of twenty-eight
        words = (words & np.uint64(0x007F007F007F007F)) | ((words & np.uint64(0x7F007F007F007F00)) >> _ONE)
        words = (words & np.uint64(0x00003FFF00003FFF)) | ((words & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2))
        words = (words & np.uint64(0x000000000FFFFFFF)) | ((words & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4))
        size = np.frexp(last.astype(np.float64))[1].astype(np.int64) >> 3
        numbers = (words >> _ONE).astype(np.int64) ^ -(words & _ONE).astype(np.int64)
        return numbers, self.behind(at, size), last != 0
