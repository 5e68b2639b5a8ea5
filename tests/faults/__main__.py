"""`make faults`: the scenarios on one broker and on three, side by side since they mostly wait, and one table."""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.report import RESULTS, Report

_PARTS = {"one": "not three-nodes", "three": "three-nodes"}  # the first has what needs no broker, too


def main(arguments: list[str]) -> int:
    """Return 0 if every scenario was exact; with arguments for pytest the table is printed and not written."""
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        parts = {chosen: Path(folder, name) for name, chosen in _PARTS.items()}
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "pytest", "-v", "-m", "faults", "-k", chosen, *arguments],
                env=os.environ | {"FAULTS_PART": str(file)},
            )
            for chosen, file in parts.items()
        ]
        codes = [process.wait() for process in running]
        report = Report.joined([file.read_text() for file in parts.values() if file.exists()], began)
    if arguments:
        sys.stdout.write(report.text())
    else:
        RESULTS.write_text(report.text())
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
