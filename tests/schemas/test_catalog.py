from schemas import metrics
from schemas.topics import Topics


def test_the_topics_are_those_of_the_contract() -> None:
    expected = {
        "sprt.observations": "delete",
        "sprt.control": "delete",
        "sprt.walks": "delete",
        "sprt.queues": "delete",
        "sprt.rejected": "delete",
        "sprt.archives": "delete",
        "sprt.state": "compact",
    }

    assert expected == {topic.name: topic.cleanup for topic in Topics().all()}


def test_a_rejected_record_may_be_larger_than_its_source_by_its_headers() -> None:
    config = {topic.name: dict(topic.config) for topic in Topics().all()}
    source = int(config["sprt.observations"]["max.message.bytes"])

    assert source + 64 * 1024 == int(config["sprt.rejected"]["max.message.bytes"])


def test_inputs_are_stamped_by_the_broker() -> None:
    stamped = {t.name for t in Topics().all() if ("message.timestamp.type", "LogAppendTime") in t.config}

    assert {"sprt.observations", "sprt.control", "sprt.queues", "sprt.archives"} == stamped


def test_metrics_follow_the_conventions_of_prometheus() -> None:
    for metric in metrics.METRICS:
        assert metric.name.startswith("sprt_")
        assert metric.help
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == bool(metric.buckets)
    assert len(metrics.BY_NAME) == len(metrics.METRICS)
