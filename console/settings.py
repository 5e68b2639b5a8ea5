"""What the console is told at its start, and the refusal to be open to a network without a token."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from console.security import Tokens, is_loopback
from schemas.topics import Topics

_SHORTEST_TOKEN: Final = 16


class ConsoleError(ValueError):
    """The console cannot start as asked; the message names the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """Where the console reads, sends and listens.

    Parameters
    ----------
    kafka
        librdkafka client properties: `bootstrap.servers` and security.
    topics
        The catalog with its prefix.
    partitions
        Partitions of every topic.
    redis_url
        The read model's Redis, with its password.
    archives
        Folder of the archives, for downloads.
    host, port
        Address to listen on; another than loopback only with a token.
    token
        The operator's secret, which may command, at least 16 characters; None on loopback only.
    viewer_token
        The viewers' secret, which may only read; another than the operator's, and only beside it.
    allowed_hosts
        Names, beside addresses and `localhost`, under which browsers reach the console.
    reply_seconds
        How long a command waits for the worker's reply; a design may take 10 s to solve.
    metrics_host, metrics_port
        Where `/metrics` is served; without a port nowhere.

    Raises
    ------
    ConsoleError
        If the address is open to a network and there is no token, or a token is too short or not one of two.
    """

    kafka: Mapping[str, str]
    topics: Topics
    partitions: int
    redis_url: str
    archives: Path
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    viewer_token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    reply_seconds: float = 30.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would leave the console open."""
        if self.token is None and not is_loopback(self.host):
            raise ConsoleError(
                f"host: {self.host!r} can be reached from other machines; allowed without a token: 127.0.0.1, ::1, "
                "localhost. Set a token to open the console to a network."
            )
        for name, token in (("token", self.token), ("viewer_token", self.viewer_token)):
            if token is not None and len(token) < _SHORTEST_TOKEN:
                raise ConsoleError(f"{name}: {len(token)} characters; allowed: at least {_SHORTEST_TOKEN}")
        if self.viewer_token is not None and self.viewer_token == self.token:
            raise ConsoleError("viewer_token: the operator's token; allowed: another one")
        if self.viewer_token is not None and self.token is None:
            raise ConsoleError("viewer_token: given without token; allowed: beside the operator's token")

    @property
    def tokens(self) -> Tokens:
        """Return what opens the console."""
        return Tokens(self.token, self.viewer_token)
