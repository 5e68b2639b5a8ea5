"""The worker beside plain clients, stock Faust and Kafka Streams: on one broker, the same topic, the same fold.

`waldstream bench` starts the broker and calls `run`; figures go to `bench/results.json`, `bench/RESULTS.md` and a plot.
"""

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import running
from bench.backlog import Backlog
from bench.live import Live, live
from bench.plot import draw
from bench.results import write_section
from bench.running import Measured
from bench.sending import Sent, sent

JSON: Final = Path(__file__).parent / "results.json"

#: Which of the `ratios` must be reached.
BARS: Final = {
    "Kafka Streams, at_least_once": 1.2,
    "Kafka Streams, exactly_once_v2": 3.0,
    "stock Faust, table": 40.0,
    "the faster plain loop": 0.4,
    "10 000 experiments over 100": 0.5,
}
#: The records a second and experiments whose delay has a bar.
_BUSY: Final = (50_000, 200)
_SENT: Final = 200_000  # records of one observation that a client must send a second


def run(
    kafka: Mapping[str, str], *, soak_seconds: float = 30.0, scale: float = 1.0, write: bool = True
) -> dict[str, Any]:
    """Measure everything, print it as it comes, and return it; `scale` shortens every backlog.

    Parameters
    ----------
    kafka
        librdkafka properties of a broker that has nothing else to do.
    soak_seconds
        How long the memory of a worker is watched under 10 000 records/s.
    write
        Whether the committed files are written.
    """

    def sized(records: int) -> int:
        return max(20_000, round(records * scale))

    has_streams = running.has_streams()
    measured: list[Measured] = []

    def measure(what: str, backlog: Backlog, *systems: Callable[[Mapping[str, str], Backlog], Measured]) -> None:
        with running.own_topics(kafka):
            backlog.write(kafka)
            for system in systems:
                found = system(kafka, backlog)
                found.what = what
                measured.append(found)
                print(_line(found), flush=True)

    streams = (_streams_cached, _streams_exact) if has_streams else ()
    single = Backlog(sized(4_000_000), 1, 100)
    many = Backlog(sized(4_000_000), 1, 10_000)
    # Ours of both one after the other, as they are compared: a shared machine may be another one minutes later.
    measure("1 observation, Avro", single, *streams, _confluent, _aiokafka, running.ours)
    measure("1 observation, Avro, 10 000 experiments", many, running.ours, *streams[:1])
    measure("1 observation, Avro", Backlog(sized(40_000), 1, 99), running.stock_faust)
    for workers in (2, 4):
        backlog = Backlog(sized(2_000_000), 1, 100, label=f"b{workers}")  # the rows of the one before say: all done
        measure(f"1 observation, Avro, {workers} workers", backlog, partial(running.ours, workers=workers))
    measure("100 observations, Avro", Backlog(sized(400_000), 100, 100), *streams, running.ours, _confluent)
    measure("1 observation, JSON", Backlog(sized(500_000), 1, 101, "json"), *streams[:1], running.ours)
    measure("100 observations, JSON", Backlog(sized(100_000), 100, 101, "json"), *streams[:1], running.ours)
    measure("1 observation, Avro, 1 experiment", Backlog(sized(1_000_000), 1, 1), *streams[:1], running.ours)
    steady: list[Live] = []
    loads = ((2_500, 250), (10_000, 1_000), _BUSY, (50_000, 2_000))
    with running.own_topics(kafka):
        live(kafka, *_BUSY, 15.0)  # not noted: the broker's compiler has not seen such a load yet
    for rate, experiments, seconds in (*((*load, 15.0) for load in loads), (10_000, 1_000, soak_seconds)):
        with running.own_topics(kafka):
            steady.append(live(kafka, rate, experiments, seconds))
    sends = [sent(kafka, sized(1_000_000), 1), sent(kafka, sized(200_000), 100), sent(kafka, sized(200_000), 1, "json")]
    results = {
        "machine": _machine(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "backlogs": [_plain(found) for found in measured],
        "ratios": ratios(measured),
        "live": [asdict(found) for found in steady],
        "sent": [asdict(found) for found in sends],
    }
    page = _page(results, measured, steady, sends)
    print(page)
    if write:
        JSON.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        draw(measured)
        write_section("Side by side", page)
    return results


def ratios(measured: list[Measured]) -> dict[str, float]:
    """Return our rate over that of each other system, on single-observation Avro records and 100 experiments."""
    rates: dict[str, float] = {}
    for found in measured:
        if found.what == "1 observation, Avro":
            rates[found.system] = max(found.rate, rates.get(found.system, 0.0))
    own = rates.pop("waldstream")
    loops = [rate for system, rate in rates.items() if system.endswith("loop")]
    rates["the faster plain loop"] = max(loops)
    made = {system: own / rate for system, rate in rates.items()}
    many = [it for it in measured if it.system == "waldstream" and it.what.endswith("10 000 experiments")]
    if many:
        made["10 000 experiments over 100"] = many[0].rate / own
    return made


def _streams_cached(kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    return running.kafka_streams("at_least_once", kafka, backlog)


def _streams_exact(kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    return running.kafka_streams("exactly_once_v2", kafka, backlog)


def _confluent(kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    return running.floor("confluent", kafka, backlog)


def _aiokafka(kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    return running.floor("aiokafka", kafka, backlog)


def _plain(found: Measured) -> dict[str, Any]:
    return {
        "what": found.what,
        "system": found.system,
        "produced": found.backlog.records,
        "counted": found.counted,
        "observations": found.observations,
        "records_per_second": round(found.rate),
        "observations_per_second": round(found.rate * found.backlog.values),
        "cpu_microseconds_per_record": round(found.cpu_per_record * 1e6, 2),
        "memory_bytes": found.memory,
    }


def _line(found: Measured) -> str:
    complete = "all counted" if found.is_complete else f"{found.counted} of {found.backlog.records} counted"
    return f"{found.what:42s} {found.system:32s} {found.rate:10,.0f} records/s  {complete}"


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}"


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "MISSED"


def _page(results: Mapping[str, Any], measured: list[Measured], steady: list[Live], sends: list[Sent]) -> str:
    lines = [
        f"`make bench` ({results['machine']}; the broker and every system share the cores; {results['at']}).",
        "",
        "One broker (Kafka 4.3.1, 1 GB), 4 partitions, records dealt to the experiments in turn, all folded, no",
        "experiment decided. The first fifth of each backlog is left out. Kafka Streams: 1 thread, RocksDB with cache,",
        f"commits every {running.COMMIT_SECONDS:g} s, about as often as ours under lag. Plain loops only read.",
        "",
        "| records | system | records/s | observations/s | counted of produced | CPU µs/record | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {it.what} | {it.system} | {it.rate:,.0f} | {it.rate * it.backlog.values:,.0f} "
        f"| {it.counted:,} of {it.backlog.records:,} | {it.cpu_per_record * 1e6:.2f} | {it.memory / 1e6:.0f} MB |"
        for it in measured
    ]
    lines += ["", "![rates](rates.svg)", "", "| ours over | ratio | must reach | |", "|---|---|---|---|"]
    for system, ratio in results["ratios"].items():
        least = BARS.get(system)
        verdict = "" if least is None else _verdict(ratio >= least)
        lines.append(f"| {system} | {ratio:.2f} | {'' if least is None else least} | {verdict} |")
    (large,) = (it for it in measured if it.system == "waldstream" and it.what == "100 observations, Avro")
    (busy,) = (it for it in steady if (it.rate, it.experiments) == _BUSY)
    observations = large.rate * large.backlog.values
    lines += [
        "",
        f"One worker, 100 observations a record: {observations / 1e6:.1f} million observations/s; must reach 10:",
        f"{_verdict(observations >= 1e7)}. Delay p99 at {busy.rate:,} records/s over {busy.experiments} experiments:",
        f"{busy.delay_99 * 1e3:.0f} ms; must be under 250: {_verdict(busy.delay_99 < 0.25)}.",
        "",
        "Under a steady rate; the delay is from the deciding record's Kafka timestamp to the moment when a reader of",
        "committed records holds the decision. One run before these is not noted: a broker that has just been started",
        "compiles what it runs. (*) At the beginning, at the end, the most.",
        "",
        "| records/s | experiments | seconds | counted of produced | decisions | delay p50 | p99 | CPU | memory (*) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {it.rate:,} | {it.experiments:,} | {it.seconds:g} | {it.counted:,} of {it.produced:,} | {it.decisions} "
        f"| {it.delay_median * 1e3:.0f} ms | {it.delay_99 * 1e3:.0f} ms | {it.cores:.2f} "
        f"| {it.memory_begin / 1e6:.0f}, {it.memory_end / 1e6:.0f}, {it.memory_most / 1e6:.0f} MB |"
        for it in steady
    ]
    lines += [
        "",
        "`Client.observe_many`, called by one thread, until Kafka has taken every record; CPU is of all its threads.",
        f"Records of one observation must reach {_SENT:,}/s: {_verdict(sends[0].rate >= _SENT)}.",
        "",
        "| records from arrays | records/s | observations/s | in the log of sent | CPU µs/record |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {it.what} | {it.rate:,.0f} | {it.rate * it.values:,.0f} | {it.in_log:,} of {it.records:,} "
        f"| {it.cpu_per_record * 1e6:.2f} |"
        for it in sends
    ]
    return "\n".join(lines)
