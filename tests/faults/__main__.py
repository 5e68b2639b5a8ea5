"""`make faults`: the scenarios on one broker and on three, and the kills of the exporter, side by side; one table."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.report import RESULTS, Report

_HERE = "tests/faults"
_ARCHIVES = f"{_HERE}/test_archives.py"
_MANY = f"{_HERE}/test_pressure.py::test_very_many_experiments_change_nothing[one-node]"
_LATE = (f"{_HERE}/test_records.py", f"{_HERE}/test_state.py")
#: The longest scenario of one node, and some of three, go with the shortest part, so that all end at about one time.
_PARTS = {
    "one": (_HERE, "-k", "not three-nodes", f"--ignore={_ARCHIVES}", f"--deselect={_MANY}"),
    "three": (_HERE, "-k", "three-nodes", f"--ignore={_ARCHIVES}", *(f"--ignore={file}" for file in _LATE)),
    "archives": (_ARCHIVES, _MANY, *_LATE, "-k", "three-nodes or kill_9 or very_many"),
}


def main(arguments: list[str]) -> int:
    """Return 0 if every scenario was exact; with arguments for pytest the table is printed and not written."""
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        with ThreadPoolExecutor(len(_PARTS)) as pool:
            running = [pool.submit(_run, name, [*_PARTS[name], *arguments], Path(folder)) for name in _PARTS]
            codes = [it.result() for it in running]
        report = Report.joined([file.read_text() for file in sorted(Path(folder).iterdir())], began)
    if arguments:
        sys.stdout.write(report.text())
    else:
        RESULTS.write_text(report.text())
    return max(codes)


def _run(name: str, chosen: Sequence[str], folder: Path) -> int:
    """Run one part to its end, each line that it prints behind its name."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-v", "-m", "faults", *chosen],
        env=os.environ | {"FAULTS_PART": str(folder / name), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout or ():
        sys.stdout.write(f"{name:>9} | {line}")
        sys.stdout.flush()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
