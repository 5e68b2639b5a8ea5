from datetime import timedelta

import pytest

from console import numbers

GAP = "\u202f"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.count(1234567), f"1{GAP}234{GAP}567"),
        (numbers.count(0), "0"),
        (numbers.signed(1.254), "+1.25"),
        (numbers.signed(-0.3), "−0.30"),
        (numbers.signed(-0.001), "0.00"),
        (numbers.plain(0.5), "0.5"),
        (numbers.plain(0.06), "0.06"),
        (numbers.plain(4.5538768), "4.554"),
        (numbers.plain(12345.678), f"12{GAP}346"),
        (numbers.plain(1e-6), f"1{GAP}×{GAP}10⁻⁶"),
        (numbers.plain(2.5e7), f"2.5{GAP}×{GAP}10⁷"),
        (numbers.plain(0), "0"),
        (numbers.plain(-0.25), "−0.25"),
        (numbers.plain(100), "100"),
        (numbers.probability(0.0409), "0.0409"),
        (numbers.probability(1), "1"),
        (numbers.probability(3e-9), f"<{GAP}0.0001"),
        (numbers.percent(0.055), f"5.5{GAP}%"),
        (numbers.duration(timedelta(seconds=3.94)), f"3.9{GAP}s"),
        (numbers.duration(timedelta(hours=2, minutes=5, seconds=3)), f"2{GAP}h 5{GAP}min"),
        (numbers.duration(timedelta(seconds=-3)), f"0.0{GAP}s"),
    ],
)
def test_numbers_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected
