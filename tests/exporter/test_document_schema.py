"""The committed JSON Schema of `experiment.json` is that of the document the exporter writes."""

from pathlib import Path

import msgspec

from exporter.document import Document

SCHEMA = Path(__file__).parents[2] / "exporter" / "experiment.schema.json"


def test_the_committed_schema_is_that_of_the_document() -> None:
    made = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Document), order="sorted"), indent=2) + b"\n"

    assert SCHEMA.read_bytes() == made
