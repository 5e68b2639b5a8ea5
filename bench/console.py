"""What the console must reach, on a real installation and in a real browser: `python -m bench.console`.

First paint on loopback, a list of 10 000 runs narrowed, record to screen while 20 000 records/s come in, 500 live runs
in the list, 20 browsers. The figures go to `bench/RESULTS.md`.
"""

import itertools
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec
import numpy as np
import redis
from confluent_kafka import Producer
from playwright.sync_api import Browser, BrowserContext, Page

from bench.chromium import chromium
from bench.local import Local, local
from bench.results import write_section
from schemas import events
from schemas.codecs import encode_avro

_RUNS: Final = 10_000
_LIVE: Final = 500
_BROWSERS: Final = 20
_LOAD: Final = 20_000
_PAINTS: Final = 9
_FILTERS: Final = 15
_MARKS: Final = 40

#: Tells, in the page, when a text that begins with a number has changed: milliseconds since the epoch, and the number.
_WATCH: Final = """(selector) => {
  const target = document.querySelector(selector);
  window.seen = [];
  const look = () => window.seen.push([Date.now(), Number(target.textContent.replace(/[^0-9]/g, ""))]);
  new MutationObserver(look).observe(target, { characterData: true, childList: true, subtree: true });
  look();
}"""


def definition(experiment_id: str) -> dict[str, Any]:
    """Return a definition that goes on for as long as the benchmark does."""
    return {
        "id": experiment_id,
        "title": f"Bench {experiment_id}",
        "tags": ["bench"],
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.52}},
        "errors": {"alpha": 1e-12, "beta": 1e-12, "thresholds": "wald"},  # some 34 000 fair bits
        "stop": {"max_samples": 100_000},
    }


class Source:
    """Sends observations to the broker; `last` is how many of each experiment were sent, and when the newest was."""

    def __init__(self, kafka: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "queue.buffering.max.messages": 500_000,
                "log_level": 0,
            }
        )
        self._bits = itertools.cycle(np.random.default_rng(1).integers(0, 2, 4096).tolist())

    def send(self, experiment_id: str, count: int = 1) -> None:
        """Send one record of so many observations."""
        values = [float(bit) for bit in itertools.islice(self._bits, count)]
        record = events.Observation(experiment_id=experiment_id, values=values)
        self._producer.produce("sprt.observations", encode_avro(record), experiment_id)
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when the broker has everything."""
        self._producer.flush(60)


@contextmanager
def load(kafka: str, ids: list[str], rate: float) -> Iterator[list[int]]:
    """Inside the block so many records a second are sent, over all the ids; yields a list that holds how many."""
    stop, sent = threading.Event(), [0]

    def work() -> None:
        source, turn, begun = Source(kafka), itertools.cycle(ids), time.monotonic()
        while not stop.is_set():
            due = int((time.monotonic() - begun) * rate) - sent[0]
            for _ in range(min(due, 2000)):
                source.send(next(turn))
                sent[0] += 1
            if due <= 0:
                stop.wait(0.002)
        source.flush()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def first_paints(browser: Browser, url: str, path: str) -> list[float]:
    """Return the first contentful paints of a page, in seconds, each in a browser context of its own."""
    found = []
    for _ in range(_PAINTS):
        context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(path)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        found.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000)
        context.close()
    return found[1:]  # the first one warms the machine's caches, not the browser's


def filters(page: Page) -> list[float]:
    """Return how long it takes from a key in the search field until the list shows other runs, in seconds."""
    page.goto("/?state=ended")
    page.get_by_role("region", name="Ended").wait_for()
    found = []
    for k in range(_FILTERS):
        word = f"done-{k * 613 % _RUNS:05d}"
        page.evaluate(
            """() => {
              window.done = new Promise((resolve) => {
                const field = document.querySelector('input[type=search]');
                field.addEventListener('input', () => { window.begun = performance.now(); }, { once: true });
                const list = document.querySelector('[aria-label="Ended"] tbody');
                const seen = new MutationObserver(() => {
                  if (list.children.length !== 1) return;
                  seen.disconnect();
                  requestAnimationFrame(() => resolve((performance.now() - window.begun) / 1000));
                });
                seen.observe(list, { childList: true, subtree: true });
              });
            }"""
        )
        page.get_by_label("Search title").fill(word)
        found.append(float(page.evaluate("window.done")))
        page.get_by_label("Search title").fill("")
        page.wait_for_function("document.querySelector('[aria-label=\"Ended\"] tbody').children.length > 1")
    return found


def delays(page: Page, source: Source, experiment_id: str) -> list[float]:
    """Return how long records take from being sent to being shown on the experiment's page, in seconds."""
    source.send(experiment_id, 200)  # one record, at whose end a point is due
    source.flush()
    page.goto(f"/experiments/{experiment_id}")
    value = ".figure .value"
    page.wait_for_function(f"document.querySelector('{value}')?.textContent.replace(/[^0-9]/g, '') === '200'")
    page.evaluate(_WATCH, value)
    n, sent = 200, {}
    for _ in range(_MARKS):
        n += 40  # more than 2 % in one record, which always is a point
        source.send(experiment_id, 40)
        source.flush()
        sent[n] = time.time() * 1000
        time.sleep(0.4)  # the rhythm of the records that are watched
    page.wait_for_function(f"window.seen.length && window.seen[window.seen.length - 1][1] >= {n}", timeout=60_000)
    seen = page.evaluate("window.seen")
    return [(min(at for at, shown in seen if shown >= mark) - begun) / 1000 for mark, begun in sent.items()]


def many_ended(running: Local) -> None:
    """Put ten thousand ended runs into the read model, as the projector would have left them."""
    client: Any = redis.Redis.from_url(running.redis_url)
    now = datetime.now(UTC)
    with client.pipeline(transaction=False) as writing:
        for k in range(_RUNS):
            name = f"done-{k:05d}"
            document = {
                "experiment_id": name, "run": 1, "state": "ARCHIVED", "since": now, "version": 4, "created_at": now,
                "title": f"Ended run {k}", "owner": ("ana", "ben", "carla")[k % 3], "tags": [f"t{k % 17}"],
                "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
                "errors": {"alpha": 0.05, "beta": 0.1}, "stop": {"max_samples": 5000}, "lower": -2.2, "upper": 2.9,
                "outcome": ("accept_h0", "accept_h1")[k % 2], "reason": "boundary_upper", "n": 100 + k, "llr": 3.0,
                "p_value": 0.05, "decided_at": now, "started_at": now,
            }  # fmt: skip
            writing.set(f"waldstream:run:{name}/1", msgspec.json.encode(document))
            writing.zadd("waldstream:runs", {f"{name}/1": now.timestamp()})
            writing.zadd("waldstream:runs:archived", {f"{name}/1": now.timestamp()})
            writing.set(f"waldstream:latest:{name}", 1)
        writing.execute()
    client.connection_pool.disconnect()


def open_many(browser: Browser, url: str, paths: list[str]) -> list[tuple[BrowserContext, Page]]:
    """Return pages, each in a context of its own."""
    found = []
    for path in paths:
        context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(path)
        found.append((context, page))
    return found


def shown(values: list[float], unit: str = "s") -> str:
    """Return median, 95 % point and largest of some figures."""
    scale = 1000 if unit == "ms" else 1
    middle, high = (scale * float(np.quantile(values, level)) for level in (0.5, 0.95))
    digits = ".0f" if unit == "ms" else ".2f"
    return f"median {middle:{digits}} {unit}, p95 {high:{digits}} {unit}, worst {scale * max(values):{digits}} {unit}"


def main() -> int:
    """Measure, print and write the section."""
    rows: list[tuple[str, str, str]] = []

    def found(what: str, must: str, value: str) -> None:
        rows.append((what, must, value))
        print(f"{what}: {value} (must: {must})", flush=True)

    with local() as running, chromium() as browser:
        source = Source(running.kafka)
        for path in ("/", "/new"):
            paints = shown(first_paints(browser, running.url, path))
            found(f"first contentful paint of `{path}`, empty cache", "< 1 s", paints)
        many_ended(running)
        restart_board(running)
        ids = [f"live-{k:03d}" for k in range(_LIVE)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda each: running.command("run", each, experiment=definition(each)), ["watched", *ids]))
        page = open_many(browser, running.url, ["/"])[0][1]
        found(f"from a key to the narrowed list of {_RUNS:,} runs", "< 300 ms", shown(filters(page), "ms"))
        answers = []
        for k in range(30):
            begun = time.perf_counter()
            httpx.get(f"{running.url}/api/v1/experiments", params={"q": f"done-{k:05d}"}, timeout=30).raise_for_status()
            answers.append(time.perf_counter() - begun)
        found(f"the API's list, filtered, over {_RUNS:,} runs", "< 300 ms", shown(answers, "ms"))
        found("record to screen, idle", "< 1 s", shown(delays(page, source, "watched")))
        with load(running.kafka, ids, _LOAD) as sent:
            begun, before = time.monotonic(), sent[0]
            time.sleep(5)  # the load is steady by then
            running.command("run", "watched-2", experiment=definition("watched-2"))
            late = shown(delays(page, source, "watched-2"))
            found(f"record to screen while {_LOAD:,} records/s come in", "p95 < 1 s", late)
            rate = (sent[0] - before) / (time.monotonic() - begun)
            found("records sent meanwhile", f"{_LOAD:,}/s", f"{rate:,.0f}/s over {_LIVE} live experiments")
        paints = shown(first_paints(browser, running.url, "/?state=active"))
        found(f"first contentful paint of `/` with {_LIVE} live runs", "< 1 s", paints)
        paths = ["/?state=active", "/experiments/watched", "/programme", "/queue"] * (_BROWSERS // 4)
        pages = open_many(browser, running.url, paths)
        running.command("run", "watched-3", experiment=definition("watched-3"))
        late = shown(delays(page, source, "watched-3"))
        found(f"record to screen with {_BROWSERS} more browsers open", "< 1 s", late)
        for context, _ in pages:
            context.close()
    table = "\n".join(["| what | must be | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
    machine = f"{platform.machine()}, Python {platform.python_version()}, everything on {os.cpu_count()} shared cores"
    write_section("Console", f"`python -m bench.console` ({machine}; {datetime.now(UTC):%Y-%m-%d}).\n\n{table}")
    return 0


def restart_board(running: Local) -> None:
    """Return once the console has read the ended runs: it loads its board anew when Redis was away for a moment."""
    client: Any = redis.Redis.from_url(running.redis_url)
    client.client_kill_filter(_type="pubsub")
    client.connection_pool.disconnect()
    running.until(lambda: running.list(q="done-").get("total") == _RUNS, "the ended runs are listed")


if __name__ == "__main__":
    sys.exit(main())
