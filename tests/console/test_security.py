import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from console.settings import ConsoleConfig, ConsoleError
from schemas.topics import Topics

TOKEN, VIEWER = secrets.token_urlsafe(24), secrets.token_urlsafe(24)


def config(**arguments: Any) -> ConsoleConfig:
    return ConsoleConfig({}, Topics(), 1, "redis://127.0.0.1:1", Path(), **arguments)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])  # noqa: S104  what must be refused
def test_an_address_open_to_a_network_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(ConsoleError, match=r"allowed without a token: 127\.0\.0\.1"):
        config(host=host)

    assert config(host=host, token=TOKEN).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_loopback_needs_no_token(host: str) -> None:
    assert config(host=host).token is None


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ConsoleError, match="at least 16"):
        config(token=TOKEN[:15])


@pytest.mark.stack
def test_only_known_hosts_and_the_own_origin_are_served(serve: Any) -> None:
    url = serve(allowed_hosts=["lab.example"]).url
    own = url.removeprefix("http://")

    def status(method: str = "GET", path: str = "/api/v1/experiments", **headers: str) -> int:
        return httpx.request(method, f"{url}{path}", headers=headers).status_code

    assert status() in (200, 503)
    assert status(host="lab.example") in (200, 503)
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "evil.example:80"):
        assert status(host=host) == 421
    assert status(path="/", host="evil.example") == 421
    assert status(origin="http://evil.example") == 403
    assert status(origin="null") == 403
    assert status(origin=f"http://{own}") in (200, 503)
    assert status("POST", "/api/v1/commands", origin="http://evil.example") == 403
    assert status("POST", "/api/v1/commands", **{"sec-fetch-site": "cross-site"}) == 403
    assert status(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}) == 403
    assert status(path="/new", **{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}) == 200


@pytest.mark.stack
def test_another_page_cannot_open_the_socket(serve: Any) -> None:
    url = serve().url
    socket = url.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"

    with connect(socket, origin=url) as own:
        assert own.recv(10)[0] == "0"
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(Exception, match="403"), connect(socket, additional_headers=headers):
            pass


@pytest.mark.stack
def test_a_token_opens_the_console_as_bearer_or_by_signing_in(serve: Any) -> None:
    url = serve(host="0.0.0.0", token=TOKEN).url  # noqa: S104  only with a token, which is what is tested
    with httpx.Client(base_url=url) as client:
        refused = client.get("/api/v1/experiments")
        page = client.get("/new?template=random", headers={"accept": "text/html"})
        wrong = client.post("/sign-in", data={"token": "no"})
        bearer = client.get("/api/v1/experiments", headers={"authorization": f"Bearer {TOKEN}"})
        elsewhere = client.post("/sign-in?next=//evil.example", data={"token": TOKEN})
        client.cookies.clear()
        signed = client.post("/sign-in?next=/new", data={"token": TOKEN})
        after = client.get("/new")

    assert refused.status_code == 401
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Fnew%3Ftemplate%3Drandom")
    assert wrong.status_code == 403
    assert bearer.status_code in (200, 503)
    assert elsewhere.headers["location"] == "/"
    assert signed.headers["location"] == "/new"
    assert TOKEN not in signed.headers["set-cookie"]
    assert "HttpOnly" in signed.headers["set-cookie"]
    assert after.status_code == 200


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ({"viewer_token": TOKEN}, "beside the operator's"),
        ({"token": TOKEN, "viewer_token": TOKEN}, "another one"),
        ({"token": TOKEN, "viewer_token": "short"}, "viewer_token: 5 characters"),
    ],
)
def test_a_viewers_token_is_another_one_beside_the_operators(tokens: dict[str, str], said: str) -> None:
    with pytest.raises(ConsoleError, match=said):
        config(**tokens)


@pytest.mark.stack
def test_a_viewer_reads_and_commands_nothing(serve: Any, teller: Any) -> None:
    url = serve(token=TOKEN, viewer_token=VIEWER, reply_seconds=0.5).url
    body = {"type": "stop", "experiment_id": "coin", "reason": "enough", "actor": "ana"}
    with httpx.Client(base_url=url, timeout=30) as client:
        as_viewer, as_operator = ({"authorization": f"Bearer {token}"} for token in (VIEWER, TOKEN))
        read = client.get("/api/v1/experiments", headers=as_viewer)
        refused = client.post("/api/v1/commands", headers=as_viewer, json=body)
        sent = client.post("/api/v1/commands", headers=as_operator, json=body)
        client.post("/sign-in", data={"token": VIEWER})
        by_cookie = client.post("/api/v1/commands", json=body, headers={"origin": url})

    assert read.status_code in (200, 503)
    assert (refused.status_code, refused.json()["title"]) == (403, "Viewers read")
    assert sent.status_code == 504  # sent, and no worker is there to answer
    assert teller.next_command("coin").actor == "ana (by the operator's token)"
    assert by_cookie.status_code == 403


@pytest.mark.stack
def test_a_cookie_alone_commands_nothing(serve: Any) -> None:
    url = serve(token=TOKEN, reply_seconds=0.5).url
    with httpx.Client(base_url=url) as client:
        client.post("/sign-in", data={"token": TOKEN})
        blind = client.post("/api/v1/commands", json={"type": "start", "experiment_id": "x"})
        own = client.post("/api/v1/commands", json={"type": "start", "experiment_id": "x"}, headers={"origin": url})

    assert (blind.status_code, blind.json()["title"]) == (403, "No origin")
    assert own.status_code == 504


@pytest.mark.stack
def test_the_policy_lets_nothing_come_from_elsewhere(serve: Any) -> None:
    policy = httpx.get(serve().url).headers["content-security-policy"]
    allowed = {
        source for directive in policy.split("; ") for source in directive.split()[1:] if not source.startswith("'")
    }

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert allowed == {"data:", "blob:"}
