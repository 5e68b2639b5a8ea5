"""Which runs a filter means, and what it says to one that cannot be read."""

from typing import Any

import msgspec
import pytest

from exporter.catalog import Recorded
from exporter.selection import SelectionError, selection
from tests.exporter.runs import Run


def run_with(run: Run, **definition: Any) -> Recorded:
    timeline = []
    for entry in run.timeline:
        if hasattr(entry.event, "definition"):
            told = msgspec.structs.replace(entry.event, definition=entry.event.definition | definition)
            entry = msgspec.structs.replace(entry, event=told)
        timeline.append(entry)
    return Recorded(tuple(timeline))


@pytest.mark.parametrize(
    ("where", "is_meant"),
    [
        ("tag=rng and decided>2026-03-01", True),
        ("tag=rng and decided>2026-03-03", False),
        ("tag=RNG", True),
        ("tag!=rng", False),
        ("tag=other or n>=134", True),
        ("not tag=other", True),
        ("not (tag=rng and n>133)", False),
        ("tag=other and n>1 or outcome=accept_h1", True),
        ("tag=other and (n>1 or outcome=accept_h1)", False),
        ("decided=2026-03-02", True),
        ("decided!=2026-03-02", False),
        ("decided<2026-03-02T09:00:05", True),
        ("decided>=2026-03-02T10:00:05+01:00", False),
        ("started<=2026-03-02T09:00", True),
        ("title~'entropy SOURCE'", True),
        ('title="Is the entropy source biased?"', True),
        ("owner=ana and family=bernoulli and reason=boundary_upper", True),
        ("p<2e-2 and llr>4.5 and alpha=0.01 and run=1 and attempt=1", True),
        ("id=rng-bias", True),
    ],
)
def test_a_filter_means_these_runs(where: str, is_meant: bool, h1_run: Run) -> None:
    assert selection(where)(run_with(h1_run)) is is_meant


def test_any_of_several_tags_will_do(h1_run: Run) -> None:
    assert selection("tag=b")(run_with(h1_run, tags=["a", "b"]))
    assert not selection("tag!=b")(run_with(h1_run, tags=["a", "b"]))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "ends where a field is expected"),
        ("tag", "ends where a sign is expected"),
        ("tag=", "ends where a value is expected"),
        ("colour=red", "no field 'colour'; allowed: id, run, title"),
        ("n=many", "n: 'many'; allowed: a number"),
        ("decided>yesterday", "allowed: a date or time such as 2026-11-01"),
        ("tag>rng", "allowed for text: = != ~"),
        ("n~3", "~ (contains) is for text"),
        ("(tag=rng", "a parenthesis is left open"),
        ("tag=rng tag=b", "'tag' follows a whole comparison; allowed: and, or"),
        ("tag='rng", "is not allowed there"),
        ("tag tag tag", "'tag' after tag; allowed: = !="),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_is_allowed(where: str, said: str) -> None:
    with pytest.raises(SelectionError, match="--where") as caught:
        selection(where)

    assert said in str(caught.value)
