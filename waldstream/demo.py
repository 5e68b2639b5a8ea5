"""Four experiments that show how a run can end, on real parts; what they assert cannot fail by chance.

Error rates of one in a million where a verdict is expected, biased bits for the p rule, a slow source for the time
limit.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.definition import parse
from producers.client import Client
from schemas import events
from waldstream.following import Follower
from waldstream.progress import show_until
from waldstream.terminal import RefusedError, out
from waldstream.up import Installation

#: Which file ends how: outcome and reason.
EXPECTED = {
    "fair-bits": ("accept_h0", "boundary_lower"),
    "biased-bits": ("accept_h1", "boundary_upper"),
    "p-rule": ("accept_h1", "p_threshold"),
    "timeout": ("inconclusive", "timeout"),
}
_DECISION_SECONDS = 120.0
_ARCHIVE_SECONDS = 120.0


class DemoError(RefusedError):
    """The demonstration did not do what it has to; the message says what."""


def demonstrate(running: Installation, begun: float) -> None:
    """Run the four experiments, print their decisions, and return once every archive is verified.

    Parameters
    ----------
    begun
        When the command was given, as of `time.monotonic`.

    Raises
    ------
    DemoError
        If a run ends otherwise than it must, or an archive does not come or is not verified.
    """
    kafka, topics = running.settings.kafka(), running.settings.topics()
    definitions = {name: _definition(name) for name in EXPECTED}
    ids = [definition["id"] for definition in definitions.values()]
    with Client(kafka, topics, actor="demo") as client, Follower(kafka, topics, ids) as follower:
        follower.catch_up()
        before = {run.experiment_id: run.run for run in follower.runs()}
        live = [run.experiment_id for run in follower.runs() if run.is_active]
        deadline = time.monotonic() + _DECISION_SECONDS
        first: list[float] = []

        def decided() -> bool:
            runs = [run for run in follower.runs() if run.run > before.get(run.experiment_id, 0)]
            done = [run for run in runs if run.outcome is not None]
            if done and not first:
                first.append(time.monotonic() - begun)
            broken = next((future.exception() for future in started if future.done() and future.exception()), None)
            if broken is not None:
                raise broken
            return len(done) == len(ids) or time.monotonic() > deadline

        with ThreadPoolExecutor(len(ids)) as pool:
            started = [pool.submit(_run, client, given, given["id"] in live) for given in definitions.values()]
            show_until(follower, ids, decided, before)
        out.print(f"first decision after {first[0]:.1f} s" if first else "no decision")
        _print(follower, ids)
        _check(follower, {definitions[name]["id"]: expected for name, expected in EXPECTED.items()}, running)
        _verify(follower, ids, running)


def _definition(name: str) -> dict[str, Any]:
    text = (resources.files("waldstream") / "examples" / f"{name}.toml").read_text("utf-8")
    return parse(text).stored()


def _run(client: Client, definition: dict[str, Any], is_live: bool) -> None:
    key, patience = definition["id"], _DECISION_SECONDS
    if is_live:  # an earlier demonstration was interrupted
        client.stop(key, reason="a new demonstration begins", timeout=patience)
    # Answered once a worker is there; a run that began before that would have lost some of its time limit.
    replies = [client.define(definition, timeout=patience), client.start(key, reason="demonstration", timeout=patience)]
    for reply in replies:
        if reply.status == "rejected":
            raise DemoError(f"{key}: rejected ({reply.code}): {reply.message}")


def _print(follower: Follower, ids: list[str]) -> None:
    table = Table("experiment", "run", "outcome", "reason", "n", "llr", "p")
    for key in ids:
        run = follower.run(key)
        if run is not None and run.outcome is not None:
            table.add_row(
                key, str(run.run), run.outcome, run.reason, str(run.n), f"{run.llr or 0:.3f}", f"{run.p_value or 0:.3g}"
            )
    out.print(table)


def _check(follower: Follower, expected: dict[str, tuple[str, str]], running: Installation) -> None:
    for key, wanted in expected.items():
        run = follower.run(key)
        found = (run.outcome, run.reason) if run is not None else (None, None)
        if found != wanted:
            given = "undecided" if found[0] is None else " by ".join(map(str, found))
            raise DemoError(f"{key}: {given}; expected {' by '.join(wanted)} (logs: {running.logs})")


def _verify(follower: Follower, ids: list[str], running: Installation) -> None:
    deadline = time.monotonic() + _ARCHIVE_SECONDS
    wanted = {(run.experiment_id, run.run) for run in follower.runs()}
    while wanted - follower.archives.keys() and time.monotonic() < deadline:
        follower.poll(0.2)
    for key in ids:
        run = follower.run(key)
        archived = None if run is None else follower.archives.get((key, run.run))
        if archived is None:
            raise DemoError(f"{key}: no archive after {_ARCHIVE_SECONDS:g} s (logs: {running.logs})")
        _verified(archived)


def _verified(archived: events.Archived) -> None:
    from exporter.verify import verify  # pandas and Arrow: not before the first decision

    result = verify(Path(archived.location), archived.manifest_digest)
    if not result.ok:
        raise DemoError(f"{archived.location}: not verified: {'; '.join(result.reasons)}")
    out.print(f"{archived.location}: verified")
