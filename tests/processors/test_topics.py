import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not in its __all__

from processors.topics import Created, KafkaUnreachableError, TopicError, Unchanged, check_topics, create_topics
from schemas.topics import Topics


@pytest.fixture
def topics() -> Topics:
    return Topics(prefix=f"t{uuid4().hex[:8]}")


@pytest.mark.stack
def test_topics_are_created_once_and_then_left_alone(kafka: str, topics: Topics) -> None:
    servers = {"bootstrap.servers": kafka}
    names = [topic.name for topic in topics.all()]
    assert create_topics(servers, topics, 3) == [Created(name) for name in names]
    assert create_topics(servers, topics, 3) == [Unchanged(name) for name in names]
    check_topics(servers, topics, 3)


@pytest.mark.stack
def test_topics_that_a_broker_does_not_know_yet_are_waited_for(kafka: str, topics: Topics) -> None:
    servers = {"bootstrap.servers": kafka}
    with ThreadPoolExecutor() as others:
        checked = others.submit(check_topics, servers, topics, 2)
        create_topics(servers, topics, 2)
        checked.result(60)


@pytest.mark.stack
def test_another_number_of_partitions_is_refused_naming_given_and_allowed(kafka: str, topics: Topics) -> None:
    servers = {"bootstrap.servers": kafka}
    create_topics(servers, topics, 2)
    for refused in (create_topics, check_topics):
        with pytest.raises(TopicError, match=rf"{topics.state}: 2 partitions; allowed: 5"):
            refused(servers, topics, 5)


@pytest.mark.stack
def test_another_cleanup_policy_is_refused_and_nothing_is_created(kafka: str, topics: Topics) -> None:
    servers = {"bootstrap.servers": kafka}
    admin = AdminClient({**servers})
    admin.create_topics([NewTopic(topics.state, 2, 1, config={"cleanup.policy": "delete"})])[topics.state].result()
    deadline = time.monotonic() + 10
    while topics.state not in admin.list_topics(timeout=10).topics and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(TopicError, match=r"cleanup\.policy=delete; allowed: compact"):
        create_topics(servers, topics, 2)
    assert topics.control not in admin.list_topics(timeout=10).topics


@pytest.mark.stack
def test_missing_topics_are_named_with_the_remedy(kafka: str, topics: Topics) -> None:
    with pytest.raises(TopicError, match=rf"missing topics: {topics.observations}.*waldstream topics create"):
        check_topics({"bootstrap.servers": kafka}, topics, 2)


@pytest.mark.stack
def test_more_copies_than_brokers_are_refused_by_the_cluster_with_its_words(kafka: str, topics: Topics) -> None:
    with pytest.raises(TopicError, match=r"could not be created: .*replica"):
        create_topics({"bootstrap.servers": kafka}, topics, 2, replication_factor=3)


def test_no_partitions_are_refused(topics: Topics) -> None:
    with pytest.raises(TopicError, match="partitions: 0; allowed: 1 or more"):
        create_topics({"bootstrap.servers": "127.0.0.1:1"}, topics, 0)


def test_servers_that_do_not_answer_are_named(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.topics._FIRST_ANSWER", 1.0)
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1"):
        check_topics({"bootstrap.servers": "127.0.0.1:1"}, topics, 2)
