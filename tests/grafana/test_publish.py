"""Publishing brings a Grafana to what is built here, changes nothing the second time, and says what is refused."""

import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from grafana.alerts import ALERTS
from grafana.build import DASHBOARDS
from grafana.dashboards.experiments import UID as EXPERIMENTS
from grafana.port import PublishError
from grafana.provisioning import Sources
from grafana.publish import annotate, publish
from schemas import events
from tests.grafana.api import TOKEN, GrafanaApi, serving

SOURCES = Sources("http://prometheus:9090", "http://console:8080", "a-token-of-the-console")


@pytest.fixture
def grafana() -> Iterator[GrafanaApi]:
    with serving(GrafanaApi()) as api:
        yield api
        assert api.violations == []


def decision(run: int = 1) -> events.Decision:
    return events.Decision(
        id=f"rng-bias/{run}",
        experiment_id="rng-bias",
        run=run,
        version=4,
        at=datetime(2026, 3, 1, 12, 0, run, tzinfo=UTC),
        outcome="accept_h1",
        reason="boundary_upper",
        n=718,
        llr=4.61234,
        p_value=0.0098,
        p_kind="always_valid",
        lower=-3.0,
        upper=4.6,
        design_digest="0" * 64,
        estimate={},
        counts={},
    )


def test_everything_is_created_once_and_then_left_alone(grafana: GrafanaApi) -> None:
    first = publish(grafana.url, TOKEN)

    assert Counter(it.kind for it in first) == {"folder": 2, "dashboard": len(DASHBOARDS), "alert rule": len(ALERTS)}
    assert {it.change for it in first} == {"created"}
    assert grafana.dashboards.keys() == DASHBOARDS.keys()
    assert grafana.rules.keys() == {alert.uid for alert in ALERTS}

    written = len(grafana.writes)
    second = publish(grafana.url, TOKEN)

    assert [(it.kind, it.uid) for it in second] == [(it.kind, it.uid) for it in first]
    assert {it.change for it in second} == {"unchanged"}
    assert len(grafana.writes) == written


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (("POST", "/api/folders", {"title": "A", "uid": "a", "colour": "red"}), "colour"),
        (("POST", "/api/annotations", {"tags": []}), "text"),
        (("PUT", "/api/v1/provisioning/alert-rules/a", {"title": "A"}), "condition"),
        (("GET", "/api/folders/a", {}), "no body"),
    ],
)
def test_a_body_that_grafana_does_not_describe_is_a_violation(request_: tuple[str, str, Any], wrong: str) -> None:
    api = GrafanaApi()
    method, path, body = request_

    assert api.answer(method, path, {}, body)[0] == 400
    assert wrong in api.violations[0]


def test_a_dry_run_says_the_same_and_writes_nothing(grafana: GrafanaApi) -> None:
    foreseen = publish(grafana.url, TOKEN, dry_run=True, sources=SOURCES)

    assert grafana.writes == []
    assert foreseen == publish(grafana.url, TOKEN, sources=SOURCES)


def test_what_somebody_changed_is_put_right_and_nothing_else(grafana: GrafanaApi) -> None:
    publish(grafana.url, TOKEN)
    grafana.dashboards[EXPERIMENTS]["dashboard"]["panels"][1]["title"] = "Mine"
    grafana.rules[ALERTS[0].uid]["data"][1]["model"]["conditions"][0]["evaluator"]["params"] = [7]
    grafana.folders["waldstream"]["title"] = "Renamed"

    changed = {(it.kind, it.uid) for it in publish(grafana.url, TOKEN) if it.change != "unchanged"}

    assert changed == {("folder", "waldstream"), ("dashboard", EXPERIMENTS), ("alert rule", ALERTS[0].uid)}
    assert {it.change for it in publish(grafana.url, TOKEN)} == {"unchanged"}


def test_what_grafana_adds_of_its_own_is_no_difference(grafana: GrafanaApi) -> None:
    publish(grafana.url, TOKEN)
    grafana.rules[ALERTS[0].uid]["data"][0]["queryType"] = ""
    grafana.dashboards[EXPERIMENTS]["dashboard"]["panels"][1]["pluginVersion"] = "13.0.1"

    assert {it.change for it in publish(grafana.url, TOKEN)} == {"unchanged"}


def test_datasources_are_published_only_with_their_addresses(grafana: GrafanaApi) -> None:
    published = publish(grafana.url, TOKEN, sources=SOURCES)

    assert [it.uid for it in published if it.kind == "datasource"] == ["waldstream-prometheus", "waldstream-console"]
    console = grafana.datasources["waldstream-console"]
    assert console["url"] == console["jsonData"]["allowedHosts"][0] == "http://console:8080"
    assert console["secureJsonFields"] == {"bearerToken": True}
    assert {it.change for it in publish(grafana.url, TOKEN, sources=SOURCES)} == {"unchanged"}


def test_alert_rules_ask_the_prometheus_that_is_named(grafana: GrafanaApi) -> None:
    publish(grafana.url, TOKEN, prometheus_uid="ours")

    assert {rule["data"][0]["datasourceUid"] for rule in grafana.rules.values()} == {"ours"}


def test_a_grafana_below_a_path_is_found() -> None:
    with serving(GrafanaApi(), below="/grafana") as api:
        assert {it.change for it in publish(api.url, TOKEN)} == {"created"}
        assert {it.change for it in publish(api.url + "/", TOKEN)} == {"unchanged"}
        assert api.violations == []


def test_a_decision_is_marked_once_whoever_publishes_it(grafana: GrafanaApi) -> None:
    publish(grafana.url, TOKEN)
    decisions = [decision(1), decision(2)]

    assert [it.change for it in annotate(grafana.url, TOKEN, decisions, dry_run=True)] == ["created", "created"]
    assert grafana.annotations == []
    assert [it.change for it in annotate(grafana.url, TOKEN, decisions[:1])] == ["created"]
    assert [it.change for it in annotate(grafana.url, TOKEN, decisions)] == ["unchanged", "created"]
    mark = grafana.annotations[0]
    assert mark["dashboardUID"] == EXPERIMENTS
    assert mark["time"] == 1_772_366_401_000
    assert mark["tags"] == ["sprt", "decision", "exp:rng-bias", "run:rng-bias/1", "accept_h1"]
    assert mark["text"] == "rng-bias, run 1: accept_h1 (boundary_upper) at n = 718, llr = 4.612"


def test_a_wrong_token_is_said(grafana: GrafanaApi) -> None:
    with pytest.raises(PublishError, match=r"folder waldstream: .* answered 401: the token is wrong or has expired"):
        publish(grafana.url, "another")


def test_a_role_that_may_not_is_said(grafana: GrafanaApi) -> None:
    grafana.role = "Editor"
    with pytest.raises(PublishError, match=r"datasource waldstream-prometheus: .* 403: .* for datasources Admin"):
        publish(grafana.url, TOKEN, sources=SOURCES)


def test_what_comes_from_files_is_not_touched(grafana: GrafanaApi) -> None:
    publish(grafana.url, TOKEN)
    grafana.dashboards[EXPERIMENTS]["meta"]["provisioned"] = True
    with pytest.raises(PublishError, match=f"dashboard {EXPERIMENTS}: this Grafana reads it from files"):
        publish(grafana.url, TOKEN)
    grafana.dashboards[EXPERIMENTS]["meta"]["provisioned"] = False
    grafana.rules[ALERTS[2].uid]["provenance"] = "file"
    with pytest.raises(PublishError, match=f"alert rule {ALERTS[2].uid}: this Grafana reads it from files"):
        publish(grafana.url, TOKEN)


def test_a_grafana_that_is_too_old_is_refused_before_anything_is_written(grafana: GrafanaApi) -> None:
    grafana.version = "10.4.2"
    with pytest.raises(PublishError, match=r"Grafana 10\.4\.2: too old for the dashboards; allowed: 11 and newer"):
        publish(grafana.url, TOKEN)
    assert grafana.writes == []


@pytest.mark.parametrize("url", ["", "grafana:3000", "ftp://grafana"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PublishError, match=r"url: given .*; allowed: an address that begins with http"):
        publish(url, TOKEN)


def test_nobody_at_the_address_is_said() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        with pytest.raises(PublishError, match=r"its health: http://127\.0\.0\.1:\d+ cannot be reached"):
            publish(f"http://127.0.0.1:{reserved.getsockname()[1]}", TOKEN)


@pytest.mark.parametrize(("kind", "body"), [("text/html", b"<html>"), ("application/json", b"[]")])
def test_another_server_at_the_address_is_said(kind: str, body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that http.server gives it
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(PublishError, match="something answers, but not as Grafana does"):
            publish(f"http://127.0.0.1:{server.server_port}", TOKEN)
        thread.join()
