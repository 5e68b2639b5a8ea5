"""The limits of a worker: `make bench-limits` measures each and writes the section "Limits" of `bench/RESULTS.md`.

Every worker is a process as its users start it, on a real broker; times are those that Kafka stamped on the records.
"""

import argparse
import platform
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from bench.installed import PARTITIONS, Installed
from bench.results import write_section
from schemas import codecs, events

Row = tuple[str, str, str]
_MANY = 100_000
_BACKLOG = 400_000
_MIB = 1024 * 1024


def takeover(installed: Installed) -> list[Row]:
    """Return how long a worker takes from its start to the first applied record of every partition."""
    installed.run(_MANY)
    for number in range(200):
        installed.observe(number)
    installed.flush()
    with installed.worker() as worker:
        installed.until_counted(200)
        seconds = max(at for _, at in installed.commits) - worker.began
        memory = worker.memory()
    what = f"take-over of {_MANY} experiments, all designs different: process start to the first records applied"
    return [(what, f"{seconds:.1f} s", "20 s"), ("its memory", f"{memory / _MIB:.0f} MiB", "flat")]


def backlog(installed: Installed) -> list[Row]:
    """Return rate and memory over a backlog, with 100 experiments, 10 000, and one that gets 99 %.

    The experiments are new: those that get fewer than a hundred records have a point of their walk published of each.
    """
    installed.run(10_000)
    lots = np.random.default_rng(1)
    kinds = {
        "100 experiments": lots.integers(100, size=_BACKLOG),
        "10 000 experiments": lots.integers(10_000, size=_BACKLOG),
        "99 % to one of 10 000": np.where(lots.random(_BACKLOG) < 0.99, 0, lots.integers(10_000, size=_BACKLOG)),
    }
    rates: dict[str, float] = {}
    sent, memory = 0, 0
    for kind, numbers in kinds.items():
        for number in numbers.tolist():
            installed.observe(number)
        installed.flush()
        begin, sent = sent, sent + _BACKLOG
        rates[kind], most = _caught_up(installed, begin, sent)
        memory = max(memory, most)
    base = rates["100 experiments"]
    rows = []
    for kind, rate in rates.items():
        need = "1 x (four partitions)" if kind.startswith("99 %") else ""
        rows.append((f"backlog, {kind}", f"{rate / 1000:.0f} k records/s, {rate / base:.2f} x", need))
    return [
        *rows,
        (f"largest memory over these backlogs of {_BACKLOG} records each", f"{memory / _MIB:.0f} MiB", "flat"),
    ]


def _caught_up(installed: Installed, begin: int, end: int) -> tuple[float, int]:
    """Return records per second over all but the first fifth of a backlog, and the largest memory in bytes."""
    marks: list[tuple[int, float]] = []
    with installed.worker() as worker:
        memory: list[int] = []

        def look() -> None:
            marks.append((installed.counted(), time.monotonic()))
            memory.append(worker.memory())

        installed.until_counted(end, look)
        look()
    first = next(mark for mark in marks if mark[0] >= begin + (end - begin) // 5)
    return (marks[-1][0] - first[0]) / (marks[-1][1] - first[1]), max(memory)


def commands(installed: Installed) -> list[Row]:
    """Return how long commands wait for their reply during catch-up, with few experiments and with many."""
    installed.run(10_000)
    rows, begin = [], 0
    for experiments, size in ((1_000, 600_000), (10_000, 1_200_000)):
        for number in np.random.default_rng(2).integers(experiments, size=size).tolist():
            installed.observe(number)
        installed.flush()
        waits = _waits(installed, f"c{experiments}", begin + size // 12, begin + size * 11 // 12)
        begin += size
        found = f"median {np.median(waits):.2f} s, largest {max(waits):.2f} s of {len(waits)}"
        rows.append((f"reply to a command during catch-up, {experiments} experiments", found, "1 s"))
    return rows


def _waits(installed: Installed, label: str, begin: int, end: int) -> list[float]:
    """Return the seconds between each command and its reply while records from `begin` to `end` are counted."""
    ended, sent = threading.Event(), 0
    with installed.worker():
        installed.until(lambda: installed.counted() > begin)
        while installed.counted() < end and sent < 200:
            kind = events.Pause if sent % 2 else events.Resume
            installed.order(kind(id=f"{label}-{sent}", experiment_id=installed.name(sent % 40)))
            installed.flush()
            sent += 1
            ended.wait(0.05)  # the rhythm of the commands
        installed.until(lambda: len(_replied(installed, label)) == sent)
    asked = {
        event.id: message.timestamp()[1] / 1000
        for message in installed.read(installed.topics.control)
        if isinstance(event := codecs.decode(message.value(), *events.CONTROL), events.Command)
    }
    return [at - asked[it] for it, at in _replied(installed, label).items()]


def _replied(installed: Installed, label: str) -> dict[str, float]:
    """Return when each command of this label was answered."""
    return {
        event.command_id: message.timestamp()[1] / 1000
        for message in installed.read(installed.topics.control)
        if isinstance(event := codecs.decode(message.value(), *events.CONTROL), events.Reply)
        and event.command_id.startswith(f"{label}-")
    }


def rebalance(installed: Installed) -> list[Row]:
    """Return the longest time without a commit of a partition while workers come and go."""
    installed.run(100)
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.02):
            for number in range(40):
                installed.observe(number)
            installed.producer.poll(0)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with installed.worker():
            installed.until_counted(4_000)
            began = time.time()
            for _ in range(3):
                with installed.worker() as second:
                    installed.until(lambda it=second: "partition_taken_over" in it.log.read_text(), installed.counted)  # type: ignore[misc]  # bound now
                    at = installed.counted()
                    installed.until_counted(at + 8_000)
                at = installed.counted()
                installed.until_counted(at + 8_000)
    finally:
        stop.set()
        thread.join()
        installed.flush()
    gaps = []
    for partition in range(PARTITIONS):
        times = sorted(at for where, at in installed.commits if where == partition and at > began)
        gaps += np.diff(times).tolist()
    return [("longest pause of a partition, a second worker comes and goes three times", f"{max(gaps):.2f} s", "5 s")]


def idle(installed: Installed) -> list[Row]:
    """Return how much of a core a worker takes that has 10 000 running experiments and nothing to do."""
    installed.run(10_000)
    with installed.worker() as worker:
        installed.observe(0)
        installed.flush()
        installed.until_counted(1)
        time.sleep(5)  # what the start left to do is over
        before, began = worker.cpu(), time.monotonic()
        time.sleep(20)  # the span that is measured
        share = (worker.cpu() - before) / (time.monotonic() - began)
    return [("an idle worker with 10 000 running experiments", f"{share * 100:.1f} % of a core", "5 %")]


_ALL = (takeover, backlog, commands, rebalance, idle)


def main() -> None:
    """Measure what was asked for; write the section if that was everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kafka", help="address of a broker")
    names = [it.__name__ for it in _ALL]
    parser.add_argument("only", nargs="*", help=f"some of: {', '.join(names)}", default=[])
    given = parser.parse_args()
    chosen = [it for it in _ALL if not given.only or it.__name__ in given.only]
    table = "| what | measured | must reach |\n|---|---|---|\n"
    for measure in chosen:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(Installed(given.kafka, Path(folder))):
                line = "| {} | {} | {} |".format(*row)
                table += line + "\n"
                print(line, flush=True)
    if len(chosen) == len(_ALL):
        load = psutil.getloadavg()[0]
        machine = f"{platform.machine()}, {psutil.cpu_count()} shared cores, load {load:.1f}"
        write_section("Limits", f"`make bench-limits` ({machine}; {PARTITIONS} partitions, one broker).\n\n{table}")


if __name__ == "__main__":
    main()
