"""`python -m schemas`: write the schemas that the structs have today, where no version of them is committed yet."""

import json
from pathlib import Path

from schemas import avro

_HERE = Path(__file__).parent


def main() -> None:
    """Write `avsc/<name>.v<N>.avsc` for every event type whose newest committed version differs from its struct."""
    for name, kind in avro.BY_NAME.items():
        versions = avro.committed().get(name, {})
        schema = avro.schema_of(kind)
        if not versions or versions[max(versions)] != schema:
            version = max(versions, default=0) + 1
            file = _HERE / "avsc" / f"{name}.v{version}.avsc"
            file.write_text(json.dumps(schema, indent=2) + "\n", "utf-8")
            print(f"wrote {file.name}; add samples/{name}.v{version}.json beside it")  # noqa: T201 a command's output


if __name__ == "__main__":
    main()
