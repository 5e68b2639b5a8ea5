"""What is generated from the domain and committed is up to date: `python -m experiments` writes it again."""

from experiments.__main__ import PAGE, SCHEMA, schema
from experiments.lifecycle import page


def test_the_committed_schema_is_the_models_own() -> None:
    assert SCHEMA.read_text("utf-8") == schema(), "run `python -m experiments`"


def test_the_page_on_the_life_cycle_is_that_of_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m experiments`"
