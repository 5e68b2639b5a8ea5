"""A query that names what the table of metrics does not have fails when it is built."""

import pytest

from grafana import promql
from schemas.metrics import BY_NAME


def test_a_metric_that_does_not_exist_fails_with_those_that_do() -> None:
    with pytest.raises(promql.UnknownMetricError, match=r"sprt_lllr: no such metric; allowed: .*sprt_llr"):
        promql.latest("sprt_lllr")


def test_a_label_that_the_metric_does_not_have_fails_with_those_that_it_has() -> None:
    with pytest.raises(promql.UnknownMetricError, match="sprt_llr: no label 'state'; allowed: experiment_id, instance"):
        promql.latest("sprt_llr", (), 'state="RUNNING"')


def test_a_label_to_sum_by_is_checked_too() -> None:
    with pytest.raises(promql.UnknownMetricError, match="sprt_rejected_total: no label 'result'"):
        promql.per_second("sprt_rejected_total", ["result"])


@pytest.mark.parametrize("matcher", ["state", 'state="', 'state=="x"', 'state="x", job="y"'])
def test_what_is_no_matcher_fails(matcher: str) -> None:
    with pytest.raises(promql.UnknownMetricError, match=r"sprt_experiments: no matcher .*; allowed: label="):
        promql.total("sprt_experiments", (), matcher)


def test_a_metric_of_another_kind_fails() -> None:
    with pytest.raises(promql.UnknownMetricError, match="sprt_llr: a gauge, used as a counter"):
        promql.per_second("sprt_llr")


def test_queries_of_panels_narrow_to_the_chosen_targets() -> None:
    assert (
        promql.quantile(0.99, "sprt_command_seconds")
        == 'histogram_quantile(0.99, sum by (le) (rate(sprt_command_seconds_bucket{job=~"$job", instance=~"$instance"}'
        "[$__rate_interval])))"
    )


def test_every_metric_of_the_table_can_be_asked_for() -> None:
    assert all(promql.metric(name) is metric for name, metric in BY_NAME.items())
