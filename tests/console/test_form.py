import pytest

from console.form import PLACES, by_field, definition, suggested_id
from console.templates import TEMPLATES
from experiments.definition import DefinitionError, ExperimentDefinition, Problem, parse


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_is_a_definition_as_it_stands(name: str) -> None:
    values = TEMPLATES[name].values

    assert set(values) <= set(PLACES)
    assert isinstance(parse(definition(values)), ExperimentDefinition)


def test_empty_fields_are_left_out_and_others_keep_what_they_mean() -> None:
    made = definition({"id": "x", "title": " ", "p0": "0.5", "max_samples": "1000", "tags": "a, b c", "alpha": "often"})

    assert made == {
        "id": "x",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}},
        "stop": {"max_samples": 1000},
        "tags": ["a", "b", "c"],
        "errors": {"alpha": "often"},
    }


def test_pace_belongs_to_the_entropy_source_alone() -> None:
    assert definition({"source": "external", "rate": "9"})["source"] == {"kind": "external"}
    assert definition({"source": "entropy", "rate": "9"})["source"] == {"kind": "entropy", "rate": 9}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("id", "No Spaces"),
        ("p0", "2"),
        ("p1", "0.05"),
        ("alpha", "0"),
        ("beta", "nan"),
        ("p_value", "0.5"),
        ("max_samples", "1.5"),
        ("max_duration", "soon"),
        ("stall_timeout", "-1s"),
        ("tags", "x" * 41),
    ],
)
def test_whatever_is_wrong_is_said_at_its_field(field: str, text: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse(definition(TEMPLATES["conversion"].values | {field: text}))

    fields, rest = by_field(refused.value.problems)
    assert set(fields) == {field}
    assert rest == []


def test_a_problem_that_belongs_to_no_field_is_not_lost() -> None:
    assert by_field([Problem("export.formats", "'doc'", "allowed: csv")]) == (
        {},
        ["export.formats: given 'doc'; allowed: csv"],
    )


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Is the coin fair?", "is-the-coin-fair"),
        ("Überprüfung Nº 7", "uberprufung-no-7"),
        ("***", ""),
        ("a" * 99, "a" * 40),
    ],
)
def test_an_id_is_made_of_the_title(title: str, expected: str) -> None:
    assert suggested_id(title) == expected
