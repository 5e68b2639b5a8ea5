"""A recording of a broker's start, with which later ones start in less than half the time: Java's cache of JEP 514.

`python -m stack.recording` makes it, once for a class path. The Java machine checks that a recording fits, and starts
without it if not: it decides how soon there is a broker, never whether.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from stack.errors import StartFailedError
from stack.jars import ensure_jars
from stack.java import find_java
from stack.kafka import FAST_START, RECORDS_SINCE, KafkaNode, recording_of

_SECONDS = 180.0  # in which the Java machine may write, once the broker has ended


def record() -> Path | None:
    """Return a recording that fits the default jars and Java, made if there is none; None if this Java makes none."""
    jars, java = ensure_jars(), find_java()
    if java.version < RECORDS_SINCE:
        return None
    kept = recording_of(jars)
    command = (java.path, "-XX:AOTMode=on", f"-XX:AOTCache={kept}", "-cp", os.pathsep.join(map(str, jars)), "-version")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:  # noqa: S603  our own Java
        kept.unlink(missing_ok=True)  # Java does not start from one recording while it makes another
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".recording-") as folder:
            made = Path(folder) / kept.name
            options = (*FAST_START, f"-XX:AOTCacheOutput={made}")
            node = KafkaNode(Path(folder) / "node", jars=jars, java=java, jvm_options=options)
            node.start()
            node.stop(_SECONDS)
            if not made.exists():
                raise StartFailedError(f"{java.path} wrote no recording of the start of a broker")
            made.replace(kept)  # whole or not at all, whoever else records at this moment
    return kept


if __name__ == "__main__":
    record()
