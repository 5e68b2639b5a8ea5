"""Real Kafka for the length of one command: `python -m stack COMMAND … {kafka} …`, where `{kafka}` is its address."""

import subprocess
import sys
import tempfile
from pathlib import Path

from stack.kafka import KafkaNode
from stack.process import sigterm_unwinds


def main(command: list[str]) -> int:
    """Return the exit code of the command, run beside a broker of its own that is gone afterwards."""
    if not command:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    with sigterm_unwinds(), tempfile.TemporaryDirectory() as folder:
        # Room to breathe and the compiler in full: what runs here is measured.
        node = KafkaNode(Path(folder), heap="1g", jvm_options=("-XX:+UseG1GC",))
        node.start()
        try:
            given = [part.replace("{kafka}", node.bootstrap_servers) for part in command]
            return subprocess.run(given, check=False).returncode  # noqa: S603  the command line's own words
        finally:
            node.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
