"""Dashboards and alert rules as code: their queries take every metric from the table in `schemas.metrics`.

What is generated is committed in `generated/`: Grafana and Prometheus read those files, nothing of ours runs there.
"""

from pathlib import Path
from typing import Final

#: Where the generated files lie.
GENERATED: Final = Path(__file__).parent / "generated"
