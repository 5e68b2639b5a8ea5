"""What is committed is what is built, and `check` says exactly what differs."""

from pathlib import Path

from grafana.build import build, check, files


def test_the_committed_files_are_those_that_are_built() -> None:
    assert check() == [], "run `waldstream dashboards build` and commit what changed"


def test_build_writes_everything_and_a_second_time_nothing(tmp_path: Path) -> None:
    assert sorted(files()) == sorted(path.relative_to(tmp_path).as_posix() for path in build(tmp_path))
    assert build(tmp_path) == []


def test_a_changed_a_missing_and_a_foreign_file_are_named_and_put_right(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "dashboards/waldstream-archives.json").write_text("{}")
    (tmp_path / "prometheus/alerts.yml").unlink()
    (tmp_path / "dashboards/old.json").write_text("{}")
    differing = ["dashboards/old.json", "dashboards/waldstream-archives.json", "prometheus/alerts.yml"]

    assert differing == check(tmp_path)
    assert differing == [path.relative_to(tmp_path).as_posix() for path in build(tmp_path)]
    assert check(tmp_path) == []


def test_a_folder_that_is_not_there_lacks_every_file(tmp_path: Path) -> None:
    assert sorted(files()) == check(tmp_path / "none")
