"""Many JSON observations at once, as columns: each is parsed alone, all else is done for all of them together.

What is not plain in every respect, a time as text for one, is left to be read alone by `schemas.codecs`, whose word is
final; for what is read here both agree to the bit.
"""

from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from schemas import codecs, columnar
from schemas.packed import Block, Ints, Packed
from schemas.topics import MAX_VALUE_BYTES


class _Plain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An observation within all limits; its id is looked at later, and whether a sequence has a source."""

    experiment_id: str
    values: Annotated[list[float], msgspec.Meta(min_length=1, max_length=codecs.MAX_VALUES)]
    arm: Literal["a", "b"] | None = None
    observed_at: Annotated[int, msgspec.Meta(ge=0, le=codecs.LATEST_TIME)] | None = None
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=codecs.MAX_SOURCE_LENGTH)] | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


_decoder: Final = msgspec.json.Decoder(_Plain)


def read_json(values: Packed, rows: Ints) -> columnar.Columns:
    """Return those of the given rows as columns that are plain observations in JSON, within all limits."""
    sizes = values.size[rows]
    rows = rows[(sizes > 0) & (sizes <= MAX_VALUE_BYTES)]
    rows = rows[Block(values.data).bytes[values.at[rows]] == ord("{")]
    decode, read, kept = _decoder.decode, list[_Plain](), list[int]()
    for row, value in zip(rows.tolist(), values.rows(rows).all(), strict=True):
        try:
            one = decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if one.sequence is None or one.source is not None:
            read.append(one)
            kept.append(row)
    columns = columnar.of_events(np.array(kept, np.int64), read)
    good = np.array([columnar.is_id(it) for it in columns.experiment_ids], np.bool_)
    return columns if good.all() else columns.keep(good[columns.experiment])
