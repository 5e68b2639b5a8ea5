"""The table of the fault runs: a row per scenario and cluster, written to RESULTS.md when all of them have run."""

import json
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.ground import NODES
from tests.faults.oracle import Verdict

RESULTS = Path(__file__).with_name("RESULTS.md")

_HEAD = """\
# Results of the fault runs

Written by `make faults`: Kafka {kafka}, one node and three (replication factor 3, `min.insync.replicas` 2), {machine}.
A repeat is one fault in a running workload. The truth is the input log, replayed by the pure function: per experiment
the records by result, n, LLR, decision and deciding offset are compared exactly; over all partitions the records by
result, the decisions, the replies, the walk points and the rejected records. Run of {day}, {minutes:.0f} minutes.

"""
_COLUMNS = "| scenario | repeats | records | lost | doubled | wrong decisions |\n|---|---|---|---|---|---|\n"


@dataclass
class Report:
    """Collects rows in the order in which scenarios end."""

    rows: dict[tuple[int, str], tuple[int, Verdict]] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, nodes: int, scenario: str, repeats: int, verdict: Verdict) -> None:
        """Note what came out of a scenario, good or bad."""
        self.rows[nodes, scenario] = (repeats, verdict)

    def dump(self) -> str:
        """Return the rows as JSON, for `joined`."""
        return json.dumps(
            [
                (*key, repeats, found.records, found.lost, found.doubled, found.wrong_decisions)
                for key, (repeats, found) in self.rows.items()
            ]
        )

    @classmethod
    def joined(cls, parts: list[str], began: datetime) -> "Report":
        """Return one report of what several sessions dumped."""
        report = cls(began=began)
        for part in parts:
            for nodes, scenario, repeats, *numbers in json.loads(part):
                report.add(nodes, scenario, repeats, Verdict(*numbers))
        return report

    def text(self) -> str:
        """Return the page."""
        now = datetime.now(UTC)
        machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, 2 shared cores"
        page = _HEAD.format(
            kafka="4.3.1",
            machine=machine,
            day=f"{now:%Y-%m-%d}",
            minutes=(now - self.began).total_seconds() / 60,
        )
        for nodes, title in NODES.items():
            rows = [(it[1], *value) for it, value in self.rows.items() if it[0] == nodes]
            if rows:
                page += f"## {title.capitalize()}\n\n{_COLUMNS}"
                page += "".join(
                    f"| {scenario} | {repeats} | {found.records} | {found.lost} | {found.doubled} "
                    f"| {found.wrong_decisions} |\n"
                    for scenario, repeats, found in rows
                )
                page += "\n"
        return page.rstrip() + "\n"
