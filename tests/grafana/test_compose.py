"""The Compose file is one that Compose takes, with settings, ports, paths and commands that the parts really have."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

from grafana import GENERATED
from grafana.build import COMPOSE
from grafana.provisioning import DASHBOARDS, FROM_ENVIRONMENT
from schemas.metrics import ROLES
from stack.kafka_config import MESSAGE_MAX_BYTES
from waldstream import settings
from waldstream.cli import app
from waldstream.wiring import Wiring

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PROJECT: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, Any] = PROJECT["services"]
OURS = (*ROLES, "topics")
SECRETS = ("CONSOLE_TOKEN", "REDIS_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD")
each_service = pytest.mark.parametrize("name", SERVICES)


def environment(name: str) -> dict[str, str]:
    found: dict[str, str] = SERVICES[name].get("environment", {})
    return found


def run_secrets(folder: Path) -> dict[str, str]:
    """Run the script of the service `secrets` in a folder and return the variables that it leaves."""
    script = SERVICES["secrets"]["entrypoint"][2].replace("$$", "$").replace("/run/waldstream", str(folder))
    subprocess.run(["/bin/sh", "-c", script, "secrets", "true"], check=True, capture_output=True)
    return dict(line.split("=", 1) for line in (folder / "waldstream.env").read_text().splitlines())


def test_it_starts_the_whole_system() -> None:
    assert SERVICES.keys() == {"secrets", "kafka", "redis", "prometheus", "grafana", *OURS}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@each_service
def test_an_image_is_ours_or_pinned(name: str) -> None:
    image = SERVICES[name]["image"]

    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", image)
    assert ("build" in SERVICES[name]) == (name in OURS) == image.startswith("waldstream:")


def test_the_image_has_the_version_of_the_project_and_the_broker_that_of_the_local_stack() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    broker = re.search(r"kafka[^\n]*:(\d+\.\d+\.\d+)", (ROOT / "stack/kafka-jars.txt").read_text("utf-8"))

    assert version
    assert broker
    assert SERVICES["worker"]["image"] == f"waldstream:{version[1]}"
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{broker[1]}"


def test_the_plugin_of_grafana_is_pinned() -> None:
    assert re.fullmatch(
        r"yesoreyeram-infinity-datasource@\d+\.\d+\.\d+", environment("grafana")["GF_PLUGINS_PREINSTALL_SYNC"]
    )


@each_service
def test_ports_are_open_on_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@each_service
def test_what_a_service_waits_for_is_there_and_can_come_true(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert SERVICES[other]["healthcheck"]["test"]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other].get("restart", "no") == "no"


@each_service
def test_volumes_are_declared_and_mounted_folders_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        if not source.startswith("."):
            assert source in PROJECT["volumes"]
        elif source != "./files":  # the user's own
            assert (ROOT / source).is_dir()


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_that_the_program_has(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in SERVICES[name]["command"]:
        command = command.commands[word]


@pytest.mark.parametrize("name", OURS)
def test_settings_exist_and_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in [each for each in os.environ if each.startswith(settings.PREFIX)]:
        monkeypatch.delenv(variable)
    secrets = {key: text for key, text in run_secrets(tmp_path).items() if key.startswith(settings.PREFIX)}
    given = environment(name) | secrets
    known = {settings.PREFIX + field.upper() for field in settings.Settings.model_fields}
    for variable, text in given.items():
        assert variable in known
        monkeypatch.setenv(variable, text)

    loaded = settings.load()

    assert loaded.kafka()["bootstrap.servers"] == "kafka:19092"
    if name in ROLES:
        getattr(Wiring(loaded), name)()  # the role's own checks of its configuration: the console's of its token


def test_roles_serve_metrics_where_prometheus_looks() -> None:
    for role, (service, port) in COMPOSE.items():
        assert environment(service)[f"WALDSTREAM_{role.upper()}_METRICS_PORT"] == str(port)


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    first, again = run_secrets(tmp_path), run_secrets(tmp_path)
    (tmp_path / "other").mkdir()
    other = run_secrets(tmp_path / "other")

    assert first == again
    assert first["CONSOLE_TOKEN"] == first["WALDSTREAM_CONSOLE_TOKEN"]
    assert first["WALDSTREAM_REDIS_URL"] == f"redis://:{first['REDIS_PASSWORD']}@redis:6379/0"
    made = [found[key] for found in (first, other) for key in SECRETS]
    assert len(made) == len(set(made))
    assert all(re.fullmatch(r"[0-9a-f]{64}", secret) for secret in made)


def test_the_file_itself_holds_no_secret() -> None:
    assert not re.search(r"(?i)(password|token|secret)\s*[:=]\s*['\"]?[a-z0-9]{8,}", FILE.read_text("utf-8"))


def test_grafana_gets_all_that_its_datasources_need(tmp_path: Path) -> None:
    given = environment("grafana") | run_secrets(tmp_path)
    needed = re.findall(r"\$\{(\w+)\}", " ".join(map(str, (
        FROM_ENVIRONMENT.prometheus_url, FROM_ENVIRONMENT.console_url, FROM_ENVIRONMENT.console_token,
    ))))  # fmt: skip

    assert len(needed) == 3
    assert given.keys() >= set(needed)
    assert given["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert given["CONSOLE_URL"] == f"http://console:{environment('console')['WALDSTREAM_CONSOLE_PORT']}"
    assert environment("console")["WALDSTREAM_CONSOLE_ALLOWED_HOSTS"] == '["console"]'
    assert f"./grafana/generated/dashboards:{DASHBOARDS}:ro" in SERVICES["grafana"]["volumes"]
    home = Path(environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (home.parent.as_posix(), (GENERATED / "dashboards" / home.name).is_file()) == (DASHBOARDS, True)


def test_what_the_image_is_built_from_is_let_into_the_build() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    packages = re.search(r"only-include = \[(.+?)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.DOTALL)

    assert packages
    assert kept == {"pyproject.toml", "README.md", "LICENSE", *re.findall(r'"(\w+)"', packages[1])}


def test_the_image_runs_as_a_user_of_its_own() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()

    assert "USER waldstream" in lines
    assert lines.index("USER waldstream") < lines.index('ENTRYPOINT ["waldstream"]')


def test_the_broker_takes_batches_as_large_as_that_of_the_local_stack() -> None:
    assert environment("kafka")["KAFKA_MESSAGE_MAX_BYTES"] == str(MESSAGE_MAX_BYTES)


def test_compose_accepts_the_file() -> None:
    if shutil.which("docker") is None or _docker("version").returncode:
        pytest.skip("no docker with its compose plugin: https://docs.docker.com/compose/install/linux/")
    done = _docker("--file", str(FILE), "config", "--quiet")

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "compose", *arguments], check=False, capture_output=True, text=True)


def test_each_worker_has_a_name_of_its_own_that_outlives_a_restart(tmp_path: Path) -> None:
    script = SERVICES["worker"]["entrypoint"][2].replace("$$", "$").replace("/run/waldstream", str(tmp_path))
    (tmp_path / "waldstream.env").write_text("WALDSTREAM_REDIS_URL=redis://r\n")
    (tmp_path / "waldstream").write_text('#!/bin/sh\necho "$WALDSTREAM_WORKER_INSTANCE_ID $WALDSTREAM_REDIS_URL $*"\n')
    (tmp_path / "waldstream").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shown = subprocess.run(["/bin/sh", "-c", script, "waldstream", "worker"], env=path, capture_output=True, text=True)  # noqa: PLW1510 the output says all

    assert shown.stdout == f"{socket.gethostname()} redis://r worker\n"
