"""`python -m experiments`: write the JSON Schema of a definition and the page on the life cycle again."""

import json
from pathlib import Path

from experiments.definition import ExperimentDefinition
from experiments.lifecycle import page

HERE = Path(__file__).parent
SCHEMA = HERE / "definition.schema.json"
PAGE = HERE.parent / "docs" / "08-life-cycle.md"


def schema() -> str:
    """Return the JSON Schema of a definition as it is committed."""
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentDefinition.model_json_schema()}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both files."""
    SCHEMA.write_text(schema(), "utf-8")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
