"""The configuration of a Prometheus that scrapes every role, by address or by the name of a service."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.metrics import ROLES

#: One scrape interval for the configuration and for Grafana's `$__rate_interval`.
INTERVAL_SECONDS: Final = 5


class ScrapeError(ValueError):
    """A role that is none, or an address that cannot be one."""


def config(targets: Mapping[str, Iterable[str | int]], rules: Iterable[str] = ()) -> dict[str, Any]:
    """Return a configuration with one job for each role, `waldstream-<role>`.

    Parameters
    ----------
    targets
        For each role, where its processes serve `/metrics`: `host:port`, or a port on this machine.
    rules
        Paths of rule files.

    Raises
    ------
    ScrapeError
        If there is no such role, or no such port.
    """
    jobs = [
        {"job_name": job(role), "static_configs": [{"targets": [_address(role, it) for it in addresses]}]}
        for role, addresses in targets.items()
    ]
    return _config(jobs, rules)


def services(ports: Mapping[str, tuple[str, int]], rules: Iterable[str] = ()) -> dict[str, Any]:
    """Return a configuration that finds every process of a role by the name of its service.

    Parameters
    ----------
    ports
        For each role its service's name and port.
    """
    jobs = [
        {
            "job_name": job(role),
            "dns_sd_configs": [{"names": [name], "type": "A", "port": port, "refresh_interval": "10s"}],
        }
        for role, (name, port) in ports.items()
    ]
    return _config(jobs, rules)


def job(role: str) -> str:
    """Return the name of the role's job, on which dashboards and alerts rely.

    Raises
    ------
    ScrapeError
        If there is no such role.
    """
    if role not in ROLES:
        raise ScrapeError(f"role: given {role!r}; allowed: {', '.join(ROLES)}")
    return f"waldstream-{role}"


def _config(jobs: list[dict[str, Any]], rules: Iterable[str]) -> dict[str, Any]:
    interval = f"{INTERVAL_SECONDS}s"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": list(rules),
        "scrape_configs": jobs,
    }


def _address(role: str, given: str | int) -> str:
    text = f"127.0.0.1:{given}" if isinstance(given, int) else given
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ScrapeError(f"{role}: given {given!r}; allowed: a port, or host:port, with a port from 1 to 65535")
    return text
