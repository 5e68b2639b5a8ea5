import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest
from websockets.sync.client import connect

from schemas import events

pytestmark = pytest.mark.stack

Until = Callable[..., Any]


@pytest.fixture
def api(installation: Any) -> Iterator[httpx.Client]:
    """A client of the API of the session's console."""
    with httpx.Client(base_url=f"{installation.console.url}/api/v1", timeout=20) as client:
        yield client


def known(api: httpx.Client, until: Until, own: str, count: int) -> None:
    """Wait until as many runs are listed as this test told."""
    until(lambda: api.get("/experiments", params={"q": own}).json().get("total") == count, f"{count} runs are listed")


def test_runs_are_listed_filtered_sorted_and_paged(
    installation: Any, api: httpx.Client, until: Until, own: str
) -> None:
    teller = installation.teller
    coin, dice, card = f"{own}-a-coin", f"{own}-b-dice", f"{own}-c-card"
    teller.story(coin, title="Coin", tags=["rng"]).define().start().walk(5)
    teller.story(dice, title="Dice", owner="ben").define().start().walk(9).decide("accept_h0", "boundary_lower")
    teller.story(card, title="Card").define()
    teller.flush()

    def ids(q: str = "", **query: Any) -> list[str]:
        answer = api.get("/experiments", params={"q": f"{own} {q}", **query})
        return [item["experiment_id"] for item in answer.json()["items"]]

    until(lambda: ids(sort="title") == [card, coin, dice], "three runs are listed")
    until(lambda: ids(state="active") == [coin], "the coin runs")
    until(lambda: ids(outcome="accept_h0") == [dice], "the dice are decided")
    assert ids(state="defined") == [card]
    assert ids("COI") == [coin]
    assert ids(tag="rng") == [coin]
    assert ids(owner="ben") == [dice]
    assert ids(sort="title", limit=1, offset=1) == [coin]


def test_a_run_has_its_point_decision_and_timeline(
    installation: Any, api: httpx.Client, until: Until, own: str
) -> None:
    installation.teller.story(own).define(actor="ana").start().walk(30).decide()
    installation.teller.flush()
    known(api, until, own, 1)

    def complete() -> Any:  # control and walks are read by turns: the decision may be there before the last point
        body = api.get(f"/experiments/{own}/runs/1").json()
        return body if body.get("decision") and body["point"] and body["point"][2] == 30 else None

    body = until(complete, "all is there")
    experiment = api.get(f"/experiments/{own}").json()

    assert (body["run"]["outcome"], body["run"]["n"]) == ("accept_h1", 30)
    assert body["decision"]["counts"] == {"applied": 30}
    assert [entry["type"] for entry in experiment["timeline"]] == ["defined", "started", "decision"]
    assert experiment["timeline"][0]["actor"] == "ana"
    assert experiment["definition"]["definition"]["model"]["h1"] == {"p": 0.6}


def test_a_path_is_thinned_and_carries_its_lines(installation: Any, api: httpx.Client, until: Until, own: str) -> None:
    installation.teller.story(own).define().start().walk(400)
    installation.teller.flush()
    known(api, until, own, 1)

    def whole() -> Any:
        points = api.get(f"/experiments/{own}/runs/1/path", params={"max_points": 50}).json().get("points")
        return points if points and points[-1]["n"] == 400 else None

    points = until(whole, "the whole walk")

    assert 10 < len(points) <= 50
    assert points[0]["n"] == 1
    last = points[-1]
    assert (last["lower"], last["upper"]) == pytest.approx((-2.9856819377, 4.5538768916))
    assert (last["e_h0"], last["e_h1"]) == pytest.approx((400 * -0.02041099726, 400 * 0.02013551355))


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/experiments/nothing", 404, "nothing"),
        ("/experiments/nothing/runs/1", 404, "nothing/1"),
        ("/experiments/nothing/runs/1/path", 404, "nothing/1"),
        ("/experiments/nothing/runs/1/archive", 404, "no archive"),
        ("/experiments/NOT-AN-ID", 422, "experiment_id"),
        ("/experiments/x/runs/0", 422, "run"),
        ("/experiments/x/runs/1/path?max_points=1", 422, "max_points"),
        ("/experiments?state=sleeping", 422, "state"),
        ("/experiments?limit=0", 422, "limit"),
        ("/no-such-thing", 404, "no-such-thing"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(
    api: httpx.Client, path: str, status: int, said: str
) -> None:
    answer = api.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"type": "explode", "experiment_id": "x"}, 422, "type"),
        ({"experiment_id": "x"}, 422, "type"),
        ({"type": "stop"}, 422, "experiment_id"),
        ({"type": "stop", "experiment_id": 7}, 422, "experiment_id"),
        ({"type": "stop", "experiment_id": "x", "colour": "red"}, 422, "colour"),
        ({"type": "run", "experiment_id": "x", "experiment": {"id": "x", "model": {"family": "dice"}}}, 409, "model"),
        ({"type": "run", "experiment_id": "x"}, 422, "experiment"),
    ],
)
def test_a_malformed_command_is_refused_before_it_is_sent(
    api: httpx.Client, body: dict[str, Any], status: int, field: str
) -> None:
    answer = api.post("/commands", json=body)

    assert answer.status_code == status
    assert field in answer.json()["detail"]


def test_a_refused_definition_names_every_field(api: httpx.Client) -> None:
    experiment = {
        "id": "x",
        "model": {"family": "bernoulli", "h0": {"p": 2}, "h1": {"p": 0.5}},
        "errors": {"alpha": "no"},
    }

    answer = api.post("/commands", json={"type": "define", "experiment_id": "x", "experiment": experiment})

    assert {"model.h0.p", "errors.alpha"} <= {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(("status", "expected"), [("accepted", 200), ("duplicate", 200), ("rejected", 409)])
def test_a_command_goes_to_control_and_its_reply_comes_back(
    installation: Any, api: httpx.Client, own: str, status: str, expected: int
) -> None:
    teller = installation.teller
    answers: list[httpx.Response] = []
    command = {"type": "stop", "experiment_id": own, "id": "c-1", "actor": "ana", "reason": "enough"}
    asking = threading.Thread(target=lambda: answers.append(api.post("/commands", json=command)))
    asking.start()

    sent = teller.next_command(own)
    reply = events.Reply(
        command_id="c-1", experiment_id=own, status=status, code="ok", message="so be it", version=3,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    teller.send(teller.topics.control, reply)
    teller.flush()
    asking.join(20)

    assert sent == events.Stop(id="c-1", experiment_id=own, actor="ana", reason="enough")
    assert answers[0].status_code == expected
    assert "so be it" in answers[0].text


def test_a_command_that_nobody_answers_times_out_with_its_id(api: httpx.Client, own: str) -> None:
    version = 7.0  # as good an integer to JSON Schema as 7
    answer = api.post(
        "/commands", json={"type": "start", "experiment_id": own, "id": "c-9", "expected_version": version}
    )

    assert answer.status_code == 504
    assert answer.json()["command_id"] == "c-9"


def test_an_archive_is_downloaded_whole_and_by_file_and_nothing_else_is(
    installation: Any, api: httpx.Client, own: str, tmp_path: Path
) -> None:
    folder: Path = installation.console.archives / own / "1"
    folder.mkdir(parents=True)
    (folder / "report.pdf").write_bytes(b"%PDF")
    (folder / "manifest.json").write_text(json.dumps({"files": {"report.pdf": {"sha256": "ab", "bytes": 4}}}))
    (folder / "sneaky").symlink_to("/etc/passwd")
    (folder.parent / "secret.txt").write_text("secret")

    whole = api.get(f"/experiments/{own}/runs/1/archive")
    (tmp_path / "got.zip").write_bytes(whole.content)
    one = api.get(f"/experiments/{own}/runs/1/archive/report.pdf")
    several = api.get("/archives", params={"runs": f"{own}/1"})
    (tmp_path / "several.zip").write_bytes(several.content)

    assert sorted(ZipFile(tmp_path / "got.zip").namelist()) == [f"{own}-1/manifest.json", f"{own}-1/report.pdf"]
    assert sorted(ZipFile(tmp_path / "several.zip").namelist()) == sorted(ZipFile(tmp_path / "got.zip").namelist())
    assert f"{own}/7" in api.get("/archives", params={"runs": f"{own}/1,{own}/7"}).json()["detail"]
    assert one.content == b"%PDF"
    assert "attachment" in one.headers["content-disposition"]
    for name in ("sneaky", "../secret.txt", "..%2fsecret.txt", quote("../../../../etc/passwd", safe="")):
        assert api.get(f"/experiments/{own}/runs/1/archive/{name}").status_code == 404


def test_the_openapi_document_describes_every_route_and_body(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}

    assert set(document["paths"]) == {
        "/api/v1/experiments",
        "/api/v1/experiments/{experiment_id}",
        "/api/v1/experiments/{experiment_id}/runs/{run}",
        "/api/v1/experiments/{experiment_id}/runs/{run}/path",
        "/api/v1/experiments/{experiment_id}/runs/{run}/archive",
        "/api/v1/experiments/{experiment_id}/runs/{run}/archive/{name}",
        "/api/v1/archives",
        "/api/v1/commands",
    }
    assert references <= set(document["components"]["schemas"])


def test_events_come_over_the_socket_as_they_are_committed(installation: Any, own: str) -> None:
    teller = installation.teller
    address = installation.console.url.replace("http", "ws") + f"/api/v1/events?experiment_id={own}"
    with connect(address) as socket:
        assert json.loads(socket.recv(20))["kind"] == "hello"
        story = teller.story(own).define(actor="ana").start().walk(3)
        teller.story(f"{own}-other").define()
        teller.flush()
        told = _told_until(socket, lambda each: each["kind"] == "point" and each["body"][2] == 3)
        story.decide()
        teller.flush()
        told += _told_until(socket, lambda each: each["kind"] == "entry" and each["body"]["type"] == "decision")

    assert {each["body"]["experiment_id"] for each in told if each["kind"] != "point"} == {own}
    assert [each["body"]["type"] for each in told if each["kind"] == "entry"] == ["defined", "started", "decision"]
    with connect(f"{address}&last=1000") as socket:
        again = _told_until(socket, lambda each: each["kind"] == "entry" and each["body"]["type"] == "decision")
    assert [each["body"]["type"] for each in again if each["kind"] == "entry"] == ["defined", "started", "decision"]


def test_a_blinded_run_shows_neither_sign_nor_size_before_its_decision(
    installation: Any, api: httpx.Client, until: Until, own: str
) -> None:
    story = installation.teller.story(own, blinded=True).define().start().walk(30)
    installation.teller.flush()
    known(api, until, own, 1)
    until(lambda: api.get("/experiments", params={"q": own, "state": "active"}).json()["total"] == 1, "it runs")

    blind = api.get(f"/experiments/{own}/runs/1").json()
    path = api.get(f"/experiments/{own}/runs/1/path")
    story.unblind(actor="ana", reason="safety board")
    installation.teller.flush()

    def last_point() -> Any:
        point = api.get(f"/experiments/{own}/runs/1").json()["point"]
        return point and point[2] == 30

    until(last_point, "the point is seen")

    assert (blind["point"], blind["run"]["llr"], blind["run"]["is_blinded"]) == (None, None, True)
    assert (path.status_code, path.json()["title"]) == (403, "Blinded")
    assert api.get(f"/experiments/{own}/runs/1/path").status_code == 200


def test_another_method_is_refused_with_those_that_are_allowed(api: httpx.Client) -> None:
    answer = api.delete("/experiments")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"


def _told_until(socket: Any, is_last: Callable[[Any], bool]) -> list[Any]:
    found: list[Any] = []
    while not found or not is_last(found[-1]):
        found.append(json.loads(socket.recv(20)))
    return found
