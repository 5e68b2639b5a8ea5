"""What is put together by hand is what the schema's own writer writes, to the byte."""

import io
import math
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import binary

LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-20_000, 20_000)


def written(kind: Any, value: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(kind), value)
    return buffer.getvalue()


@given(LONGS)
def test_integers_are_those_of_avro(number: int) -> None:
    assert binary.long(number) == written({"type": "long"}, number)


@pytest.mark.parametrize("bits", range(64))
def test_integers_around_each_power_of_two_are_those_of_avro(bits: int) -> None:
    for number in (2**bits - 1, -(2**bits) + 1, -(2**bits)):
        assert binary.long(number) == written({"type": "long"}, number)


@given(st.text())
def test_texts_are_those_of_avro(characters: str) -> None:
    assert binary.text(characters) == written({"type": "string"}, characters)


@given(st.lists(st.floats()))
def test_arrays_of_doubles_are_those_of_avro(numbers: list[float]) -> None:
    assert binary.items(list(map(binary.double, numbers))) == written({"type": "array", "items": "double"}, numbers)


def test_signed_zeros_and_payloads_of_no_numbers_keep_their_bits() -> None:
    assert [binary.double(it).hex() for it in (-0.0, math.nan)] == ["0000000000000080", "000000000000f87f"]
