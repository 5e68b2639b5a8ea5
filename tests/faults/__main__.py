"""`make faults`: the scenarios on one broker and on three, and the long tests of other places, side by side; one table.

The scenarios mostly wait, the others compute: those step back.
"""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.report import RESULTS, Report

_HERE = "tests/faults"
_PARTS = (
    ("one", (), (_HERE, "-k", "not three-nodes")),
    ("three", (), (_HERE, "-k", "three-nodes")),
    ("elsewhere", ("nice",), ("tests", f"--ignore={_HERE}")),
)


def main(arguments: list[str]) -> int:
    """Return 0 if every scenario was exact; with arguments for pytest the table is printed and not written."""
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        running = [
            subprocess.Popen(
                [*first, sys.executable, "-m", "pytest", "-v", "-m", "faults", *chosen, *arguments],
                env=os.environ | {"FAULTS_PART": str(Path(folder, name))},
            )
            for name, first, chosen in _PARTS
        ]
        codes = [process.wait() for process in running]
        report = Report.joined([file.read_text() for file in sorted(Path(folder).iterdir())], began)
    if arguments:
        sys.stdout.write(report.text())
    else:
        RESULTS.write_text(report.text())
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
