"""Settings: where each comes from, what is refused, what is never shown."""

from pathlib import Path

import pytest

from waldstream import settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder without a single variable of ours."""
    import os

    for name in [name for name in os.environ if name.startswith(settings.PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _origin(name: str) -> tuple[str, str]:
    found = {entry.name: entry for entry in settings.origins(settings.load())}[name]
    return found.value, found.origin


def test_a_variable_goes_before_the_file_that_before_the_stack_that_before_the_default(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _origin("partitions") == ("4", "default")
    (nowhere / ".waldstream").mkdir()
    (nowhere / ".waldstream" / "running.toml").write_text("partitions = 5\n")
    assert _origin("partitions") == ("5", "local stack")
    (nowhere / "waldstream.toml").write_text("partitions = 6\n")
    assert _origin("partitions") == ("6", "waldstream.toml")
    monkeypatch.setenv("WALDSTREAM_PARTITIONS", "7")
    assert _origin("partitions") == ("7", "WALDSTREAM_PARTITIONS")


def test_the_file_may_lie_elsewhere(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "other.toml").write_text("app_id = 'lab'\n")
    monkeypatch.setenv("WALDSTREAM_SETTINGS", str(nowhere / "other.toml"))

    assert settings.load().app_id == "lab"


def test_a_file_that_was_named_and_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALDSTREAM_SETTINGS", "absent.toml")

    with pytest.raises(settings.SettingsError, match=r"WALDSTREAM_SETTINGS: given 'absent.toml'; allowed: the path"):
        settings.load()


def test_security_reaches_librdkafka(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "k:9093",
        "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
        "KAFKA_SSL_CA_LOCATION": "/ca.pem",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "ana",
        "KAFKA_SASL_PASSWORD": "hush",
        "KAFKA_PROPERTIES": '{"client.id": "lab"}',
    }
    for name, value in given.items():
        monkeypatch.setenv(f"WALDSTREAM_{name}", value)

    assert settings.load().kafka() == {
        "bootstrap.servers": "k:9093",
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": "/ca.pem",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ana",
        "sasl.password": "hush",
        "client.id": "lab",
    }


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALDSTREAM_KAFKA_SASL_PASSWORD", "hush")
    monkeypatch.setenv("WALDSTREAM_REDIS_URL", "redis://:hush@localhost:6379/0")
    monkeypatch.setenv("WALDSTREAM_KAFKA_PROPERTIES", '{"ssl.keystore.password": "hush", "client.id": "lab"}')

    shown = {entry.name: entry.value for entry in settings.origins(settings.load())}

    assert "hush" not in "".join(shown.values())
    assert shown["redis_url"] == "redis://****@localhost:6379/0"
    assert shown["kafka_properties"] == "client.id=lab, ssl.keystore.password=****"


def test_every_wrong_setting_is_named_at_once(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "waldstream.toml").write_text("partitions = 0\nparitions = 4\n")
    monkeypatch.setenv("WALDSTREAM_CONSOLE_PORT", "x")

    with pytest.raises(settings.SettingsError) as caught:
        settings.load()

    lines = str(caught.value).splitlines()
    assert any(line.startswith("console_port (WALDSTREAM_CONSOLE_PORT): given 'x'") for line in lines)
    assert any(line.startswith("partitions (WALDSTREAM_PARTITIONS): given 0; ") for line in lines)
    assert any(line.startswith("paritions: no such setting") for line in lines)


def test_a_wrong_secret_is_not_repeated_in_the_error(nowhere: Path) -> None:
    (nowhere / "waldstream.toml").write_text("kafka_sasl_password = 123456\n")

    with pytest.raises(settings.SettingsError) as caught:
        settings.load()

    assert "123456" not in str(caught.value)


def test_a_file_that_is_not_toml_is_named(nowhere: Path) -> None:
    (nowhere / "waldstream.toml").write_text("partitions: 4\n")

    with pytest.raises(settings.SettingsError, match=r"waldstream.toml: not TOML: "):
        settings.load()
