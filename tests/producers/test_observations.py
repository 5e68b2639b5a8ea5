"""What may be sent, and how values become records."""

from datetime import UTC, datetime

import numpy as np
import pytest

from producers.errors import NotAllowedError
from producers.observations import observations


def test_more_than_ten_thousand_values_become_several_records_in_order() -> None:
    values = np.arange(25_000.0)

    records = list(observations("a", values, "s", 7))

    assert [len(record.values) for record in records] == [10_000, 10_000, 5_000]
    assert [record.sequence for record in records] == [7, 8, 9]
    assert values.tolist() == [value for record in records for value in record.values]


def test_one_number_is_a_record_of_one_value() -> None:
    (record,) = observations("a", 1, "s", 0)

    assert record.values == [1.0]


def test_a_time_with_zone_becomes_microseconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    (record,) = observations("a", 1, "s", 0, observed_at=moment)

    assert record.observed_at == 1_767_323_045_678_901


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experiment_id": "Bad Id"}, r"experiment_id: 'Bad Id'; allowed: \[a-z0-9\]"),
        ({"values": []}, r"values: of shape \(0,\); allowed: one number or a flat, non-empty"),
        ({"values": [[1, 2]]}, r"values: of shape \(1, 2\)"),
        ({"values": [1.0, float("nan")]}, r"values\[1\]: nan; allowed: finite numbers"),
        ({"values": "heads"}, r"values: 'heads'; allowed: one number or a sequence of numbers"),
        ({"arm": "c"}, r"arm: 'c'; allowed: None, 'a', 'b'"),
        ({"source": ""}, r"source: 0 characters; allowed: 1 to 128"),
        ({"observed_at": datetime(2026, 1, 1)}, r"observed_at: 2026-01-01T00:00:00 has no time zone"),  # noqa: DTZ001  the point
    ],
)
def test_what_may_not_be_sent_is_named_with_what_is_allowed(arguments: dict[str, object], words: str) -> None:
    given = {"experiment_id": "a", "values": 1, "source": "s", "sequence": 0} | arguments

    with pytest.raises(NotAllowedError, match=words):
        observations(**given)  # type: ignore[arg-type]  # wrong on purpose
