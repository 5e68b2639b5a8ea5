"""Every setting of the application: the only reader of the environment and of `waldstream.toml`.

Each is a variable `WALDSTREAM_<NAME>` or a line `<name> = …` of the file. A variable goes before the file, the file
before what a running local stack has left in its folder, that before the default. Other parts get arguments.
"""

import getpass
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableError

from schemas.topics import Topics

PREFIX = "WALDSTREAM_"
#: Names the settings file, where it is not `waldstream.toml` in the working directory.
FILE_VARIABLE = PREFIX + "SETTINGS"

Port = Annotated[int, Field(ge=1, le=65_535)]
Format = Literal["csv", "xlsx", "json", "parquet", "pdf"]


_SECRETS = {
    "kafka_ssl_key_password",
    "kafka_sasl_password",
    "kafka_properties",
    "redis_url",
    "console_token",
    "console_viewer_token",
    "grafana_token",
    "schema_registry_url",
    "webhook_secret",
}


class SettingsError(Exception):
    """Settings that cannot be used; each line names one, what was given, and what is allowed."""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return "unknown"


def _is_cron(given: str) -> str:
    from experiments.cron import cron_trigger

    try:
        cron_trigger(given, ZoneInfo("UTC"))
    except ValueError as error:
        raise ValueError(f"{error}; allowed: five fields such as 0 6 * * 1") from error
    return given


def _is_zone(given: str) -> str:
    if given not in available_timezones():
        raise ValueError("allowed: a name such as Europe/Vienna")
    return given


class Settings(BaseSettings):
    """All settings with their defaults; the description of each is what `waldstream settings` and the docs show."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    kafka_bootstrap_servers: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1:9092", description="Address of Kafka: `host:port`, several separated by commas"
    )
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="How brokers are spoken to"
    )
    kafka_ssl_ca_location: Path | None = Field(default=None, description="File of the certificate authority, for TLS")
    kafka_ssl_certificate_location: Path | None = Field(
        default=None, description="File of our own certificate, for mutual TLS"
    )
    kafka_ssl_key_location: Path | None = Field(default=None, description="File of our own private key, for mutual TLS")
    kafka_ssl_key_password: SecretStr | None = Field(default=None, description="Password of the private key")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="How we prove who we are, for SASL"
    )
    kafka_sasl_username: str | None = Field(default=None, description="User name, for SASL")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="Password, for SASL")
    kafka_properties: dict[str, str] = Field(
        default_factory=dict, description="Any further librdkafka client properties; in a variable as JSON"
    )
    topic_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = Field(
        default="sprt", description="First part of every topic's name; sets installations on one cluster apart"
    )
    commands_topic: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")] | None = Field(
        default=None,
        description="A topic of its own for commands, so that only workers need to write the control topic",
    )
    command_rate: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=20.0, description="Commands a second for one experiment; ten seconds' worth at once, more are rejected"
    )
    schema_registry_url: SecretStr | None = Field(
        default=None, description="Address of a schema registry, to read Confluent frames; may hold `user:password@`"
    )
    partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=4, description="Partitions of every topic, fixed for life"
    )
    replication_factor: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="Copies of every partition")
    app_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = Field(
        default="waldstream", description="Name of the installation in Kafka: first part of group and transactional ids"
    )
    worker_instance_id: str | None = Field(
        default=None, description="Name of this worker that survives a restart: it gets its partitions back at once"
    )
    metrics_host: str = Field(default="127.0.0.1", description="Where the `/metrics` of the roles listen")
    worker_metrics_port: Port | None = Field(
        default=None, description="Port of the worker's `/metrics`; not served if left out, as for the others"
    )
    exporter_metrics_port: Port | None = Field(default=None, description="Port of the exporter's `/metrics`")
    runner_metrics_port: Port | None = Field(default=None, description="Port of the runner's `/metrics`")
    projector_metrics_port: Port | None = Field(default=None, description="Port of the projector's `/metrics`")
    console_metrics_port: Port | None = Field(default=None, description="Port of the console's `/metrics`")
    archives: Path = Field(default=Path("archives"), description="Folder of the archives")
    paper: Literal["a4", "us-letter"] = Field(default="a4", description="Paper size of the PDF reports")
    reports: Path = Field(default=Path("reports"), description="Folder of the reports over the runs of a period")
    report_cron: Annotated[str, AfterValidator(_is_cron)] | None = Field(
        default=None, description="When the exporter writes such a report: five cron fields; never if left out"
    )
    report_period: Literal["day", "week", "month"] = Field(
        default="week", description="What a report covers: the last whole day, week or month"
    )
    report_timezone: Annotated[str, AfterValidator(_is_zone)] = Field(
        default="UTC", description="Time zone of `report_cron` and of the days of a report"
    )
    files: Path = Field(default=Path(), description="The only folder that `csv` sources of definitions are read from")
    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Address of the read model's Redis, with its password",
    )
    console_host: str = Field(default="127.0.0.1", description="Where the console listens")
    console_port: Port = Field(default=8080, description="Port of the console")
    console_token: SecretStr | None = Field(
        default=None, description="Secret of operators, who may command, 16 characters or more; needed beyond loopback"
    )
    console_viewer_token: SecretStr | None = Field(
        default=None, description="Secret of viewers, who may only read; beside `console_token`"
    )
    console_allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Names under which browsers reach the console; in a variable as a JSON list"
    )
    webhook_url: str | None = Field(
        default=None, description="Where the runner tells of verdicts: `https://`, or `http://` on this machine"
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Key of the webhook's signatures, 16 characters or more"
    )
    webhook_allowed_hosts: tuple[str, ...] = Field(
        default=(), description="The only hosts that the webhook may call; in a variable as a JSON list"
    )
    webhook_events: tuple[Literal["decision", "failed", "held", "disputed"], ...] = Field(
        default=("decision", "failed", "held", "disputed"),
        description="What the webhook tells of; in a variable as a JSON list",
    )
    grafana_url: str | None = Field(default=None, description="Address of the Grafana that dashboards are published to")
    grafana_token: SecretStr | None = Field(default=None, description="Token of a service account of that Grafana")
    data: Path = Field(
        default=Path(".waldstream"), description="Folder of the local stack of `up` and `demo`: Kafka, Redis, logs"
    )
    actor: str = Field(default_factory=_user, description="Who our commands claim to come from")
    log_format: Literal["text", "json"] = Field(default="text", description="How log lines are written to stderr")

    @model_validator(mode="after")
    def _commands_have_a_topic_of_their_own(self) -> Self:
        others = {topic.name for topic in Topics(self.topic_prefix).all()} - {Topics(self.topic_prefix).control}
        if self.commands_topic in others:
            raise PydanticCustomError(
                "commands_topic",
                "commands_topic: given '{it}'; allowed: a topic of its own",
                {"it": self.commands_topic},
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  part of the hook's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of precedence."""
        from_file = TomlConfigSettingsSource(settings_cls, settings_file())
        from_stack = TomlConfigSettingsSource(settings_cls, running_file(_data_folder()))
        return init_settings, env_settings, from_file, from_stack

    def kafka(self) -> dict[str, str]:
        """Return the librdkafka client properties that every part gets."""
        given = {
            "bootstrap.servers": self.kafka_bootstrap_servers,
            "security.protocol": self.kafka_security_protocol,
            "ssl.ca.location": self.kafka_ssl_ca_location,
            "ssl.certificate.location": self.kafka_ssl_certificate_location,
            "ssl.key.location": self.kafka_ssl_key_location,
            "ssl.key.password": self.kafka_ssl_key_password,
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_username,
            "sasl.password": self.kafka_sasl_password,
        }
        return {name: _plain(value) for name, value in given.items() if value is not None} | self.kafka_properties

    def topics(self) -> Topics:
        """Return the catalog of topics of this installation."""
        return Topics(self.topic_prefix, self.commands_topic)


class Origin(NamedTuple):
    """A setting as it is in force: the value in words, secrets masked, and where it came from."""

    name: str
    value: str
    origin: str
    description: str


def load() -> Settings:
    """Return the settings in force.

    Raises
    ------
    SettingsError
        With every setting that cannot be used.
    """
    if FILE_VARIABLE in os.environ and not settings_file().is_file():
        raise SettingsError(f"{FILE_VARIABLE}: given {str(settings_file())!r}; allowed: the path of a TOML file")
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{settings_file()}: not TOML: {error}") from error
    except UnreadableError as error:
        raise SettingsError(f'{error}; allowed: JSON, as in {{"client.id": "lab"}}') from error
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(entry) for entry in error.errors(include_url=False))) from error


def settings_file() -> Path:
    """Return the path of the settings file, whether it exists or not."""
    return Path(os.environ.get(FILE_VARIABLE, "waldstream.toml"))


def running_file(data: Path) -> Path:
    """Return the path of the file in which a running local stack says where it is; it is gone when the stack is."""
    return data / "running.toml"


def origins(settings: Settings) -> list[Origin]:
    """Return every setting with its value and where it came from: a variable, the file, or the default."""
    file = settings_file()
    in_file = _read(file)
    in_stack = _read(running_file(settings.data))
    variables = {name.upper() for name in os.environ}

    def origin(name: str) -> str:
        variable = PREFIX + name.upper()
        if variable in variables:
            return variable
        if name in in_file:
            return str(file)
        return "local stack" if name in in_stack else "default"

    return [
        Origin(name, _shown(getattr(settings, name)), origin(name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def child_environment(overrides: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment for a child process in which these settings hold, by name, above all others."""
    changed = {PREFIX + name.upper(): _plain(value) for name, value in overrides.items()}
    return {**os.environ, **changed}


def _data_folder() -> Path:
    """Return the setting `data`, which says where one of the sources of all others is."""
    given = os.environ.get(PREFIX + "DATA") or _read(settings_file()).get("data")
    return Path(given) if isinstance(given, str) else Path(str(Settings.model_fields["data"].default))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)  # an empty variable counts as none


def _shown(value: object) -> str:
    """Return the value for people; a password inside a property or an address is a secret too."""
    if isinstance(value, SecretStr):
        address = value.get_secret_value()
        scheme, rest = address.split("://", 1) if "://" in address else ("", "")
        return f"{scheme}://****@{rest.rsplit('@', 1)[1]}" if "@" in rest else ("****" if not scheme else address)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}={'****' if 'password' in k or 'secret' in k else v}" for k, v in sorted(value.items()))
    return "" if value is None else str(value)


def _problem(entry: Any) -> str:
    name = ".".join(str(step) for step in entry["loc"])
    if not name:  # settings that are each right and do not fit together
        return str(entry["msg"])
    if entry["type"] == "extra_forbidden":
        return f"{name}: no such setting; `waldstream settings` lists them all"
    given = "****" if name.split(".")[0] in _SECRETS else repr(entry["input"])
    return f"{name} ({PREFIX}{name.upper()}): given {given}; {entry['msg'][0].lower()}{entry['msg'][1:]}"
