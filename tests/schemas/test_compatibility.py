"""Every version of an event reads every other, and a change that breaks this is told in words."""

import copy
from typing import Any

import pytest

from schemas import avro
from schemas.compatibility import problems, samples


@pytest.mark.parametrize("name", sorted(avro.committed()))
def test_all_committed_versions_read_each_other(name: str) -> None:
    assert list(problems(name, avro.committed()[name], samples(name))) == []


def _changed(name: str, *fields: dict[str, Any], without: str | None = None) -> list[str]:
    """Return the problems of a second version with other fields; its sample is that of the first."""
    first = avro.committed()[name][max(avro.committed()[name])]
    second = copy.deepcopy(first)
    names = {field["name"] for field in fields}
    second["fields"] = [f for f in second["fields"] if f["name"] not in {*names, without}] + list(fields)
    example = samples(name)[max(avro.committed()[name])]
    added = {field["name"]: field.get("default", 7) for field in fields}
    return list(problems(name, {1: first, 2: second}, {1: example, 2: {**example, **added}}))


def test_a_new_field_with_a_default_is_compatible_both_ways() -> None:
    assert _changed("observation", {"name": "weight", "type": "long", "default": 1}) == []


def test_a_new_field_without_a_default_cannot_read_what_was_written_before() -> None:
    (found,) = _changed("observation", {"name": "weight", "type": "long"})

    assert found.startswith("observation.v2 cannot read observation.v1: ")
    assert "weight" in found


def test_a_field_that_had_no_default_cannot_be_left_out() -> None:
    (found,) = _changed("observation", without="values")

    assert found.startswith("observation.v1 cannot read observation.v2: ")


def test_a_field_of_another_type_is_incompatible() -> None:
    found = _changed("decision", {"name": "n", "type": "string", "default": "many"})

    assert {line.split(":")[0] for line in found} == {
        "decision.v1 cannot read decision.v2",
        "decision.v2 cannot read decision.v1",
    }


def test_a_field_that_may_no_longer_be_null_is_incompatible() -> None:
    (found,) = _changed("observation", {"name": "arm", "type": "string", "default": "a"})

    assert found.startswith("observation.v2 cannot read observation.v1: ")


def test_a_sample_that_its_own_version_cannot_write_is_told() -> None:
    example = samples("stop")[1] | {"id": 7}
    (found,) = problems("stop", {1: avro.committed()["stop"][1]}, {1: example})

    assert found.startswith("stop.v1: its sample does not fit: ")


def test_a_version_without_a_sample_is_told() -> None:
    assert list(problems("stop", {1: avro.committed()["stop"][1]}, {})) == ["stop.v1: no sample"]
