"""Five thousand experiments at once on a real worker under a real Prometheus: series stay below the cap and vanish."""

from collections.abc import Iterator

import pytest

from processors.series import MOST
from producers.connection import producer
from schemas import codecs, events
from schemas.metrics import METRICS
from tests.grafana.asking import values
from tests.grafana.promtool import installed
from tests.grafana.watched import Watched, definition, watching
from tests.waldstream.installation import until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900), installed]

EXPERIMENTS = 5_000
#: Series of an experiment without observations: one of each gauge, two boundaries, two expected numbers, no estimate.
EACH = sum("experiment_id" in metric.labels for metric in METRICS) + 2 - 1


@pytest.fixture(scope="module")
def watched(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(kafka, redis_url, tmp_path_factory.mktemp("many"), ("worker",)) as made:
        yield made


def test_the_series_of_5000_experiments_stay_below_the_cap_and_those_of_finished_ones_vanish(watched: Watched) -> None:
    names = [f"e{number}" for number in range(EXPERIMENTS)]
    sender = producer(watched.kafka)
    for name in names:
        sender.produce(watched.topics.control, codecs.encode_json(_run(name)), name.encode())
    assert sender.flush(60) == 0
    until(lambda: values(watched.prometheus, 'sum(sprt_experiments{state="RUNNING"})') == [float(EXPERIMENTS)], 500)
    until(lambda: values(watched.prometheus, "sum(sprt_series_dropped_total)") == [float(EXPERIMENTS - MOST)])

    assert values(watched.prometheus, "count(sprt_samples)") == [float(MOST)]
    assert values(watched.prometheus, 'count({experiment_id!=""})') == [float(MOST * EACH)]
    (scraped,) = values(watched.prometheus, 'scrape_samples_scraped{job="waldstream-worker"} > 0')
    assert scraped < MOST * EACH + 500

    for name in names:
        watched.client.observe(name, [1.0] * 20)
    watched.client.flush()
    until(lambda: values(watched.prometheus, "sum(sprt_decisions_total)") == [float(EXPERIMENTS)], 200)
    until(lambda: _served(watched) == ([float(EXPERIMENTS)], []), 150)


def _served(watched: Watched) -> tuple[list[float], list[float]]:
    """Return how many experiments are decided, and how many series of single ones there are, if it was scraped."""
    decided = 'sum(sprt_experiments{state="DECIDED"})'
    return values(watched.prometheus, decided), values(watched.prometheus, 'count({experiment_id!=""})')


def _run(name: str) -> events.Run:
    return events.Run(id=name, experiment_id=name, experiment=definition(name, 0.9))
