import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas import events
from stack.redis import RedisServer

pytestmark = [pytest.mark.stack, pytest.mark.browser]

Until = Callable[..., Any]
BEGIN_OF_TIME = datetime(2030, 1, 1, 9, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script></title> **bold** {{7*7}} ${1+1} `x` \" ' &lt;"


@pytest.fixture
def page(browser: Browser, installation: Any) -> Iterator[Page]:
    """A page of the session's console; an error in its scripts, or a request to anywhere else, fails the test."""
    url = installation.console.url
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: None if _is_own(request.url, url) else wrong.append(request.url))
    yield page
    context.close()
    assert not wrong


def _is_own(address: str, url: str) -> bool:
    return address.startswith((url, url.replace("http", "ws"), "data:", "blob:"))


def test_the_overview_lists_runs_and_its_filters_survive_a_reload(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    teller.story(f"{own}-live", title=f"{own} coin").define().start().walk(60)
    teller.story(f"{own}-done", title=f"{own} dice").define().start().walk(40).decide()
    teller.story(f"{own}-idle", title=f"{own} card").define()
    teller.flush()

    page.goto("/")
    page.get_by_label("Search title").fill(own)
    live = page.get_by_role("region", name="Active").locator(f'[data-run="{own}-live/1"]')
    ended = page.get_by_role("region", name="Ended").locator(f'[data-run="{own}-done/1"]')

    expect(live).to_contain_text("Running")
    expect(live).to_contain_text("60")
    expect(ended).to_contain_text("H1 accepted")
    expect(ended).to_contain_text("Upper boundary")
    expect(page).to_have_url(re.compile(f"q={own}"))
    page.get_by_role("button", name="Ended", exact=True).click()
    expect(live).to_be_hidden()
    page.reload()
    expect(page.get_by_label("Search title")).to_have_value(own)
    expect(ended).to_be_visible()
    expect(live).to_be_hidden()
    assert f"q={own}&state=ended" in page.url


def test_a_filter_is_in_the_address_before_the_server_answers(page: Page, installation: Any, own: str) -> None:
    installation.teller.story(own).define()  # a list that is empty says how to begin instead
    page.goto(f"/?q={own}&page=2")
    button = page.get_by_role("button", name="Ended", exact=True)

    address = button.evaluate("button => { button.click(); return location.pathname + location.search; }")

    assert address == f"/?q={own}&state=ended"


def test_a_view_is_saved_by_name_visited_and_removed(page: Page, installation: Any, own: str) -> None:
    installation.teller.story(own).define()  # a list that is empty says how to begin instead
    page.goto(f"/?q={own}&state=ended")
    page.get_by_role("button", name="Save view").click()
    page.get_by_label("Name of this view").fill("what has ended")
    page.get_by_role("button", name="Save", exact=True).click()

    page.goto("/")
    page.get_by_label("Saved views").select_option("what has ended")
    expect(page).to_have_url(re.compile(f"q={own}&state=ended"))
    expect(page.get_by_label("Search title")).to_have_value(own)

    page.get_by_role("button", name="Save view").click()
    page.get_by_role("button", name="Remove view").click()
    expect(page.get_by_label("Saved views")).to_be_hidden()
    page.goto("/")
    expect(page.get_by_role("button", name="Save view")).to_be_visible()
    expect(page.get_by_label("Saved views")).to_be_hidden()


def test_several_runs_are_commanded_together_with_one_reason(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    for name in ("a", "b"):
        teller.story(f"{own}-{name}", title=f"{own} {name}").define().start().walk(5)
    teller.flush()
    page.goto(f"/?q={own}")
    for name in ("a", "b"):
        page.get_by_label(f"Select {own} {name}").check()
    bar = page.get_by_role("region", name="Selection")
    expect(bar).to_contain_text("2 selected")

    bar.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Stop 2 runs?")
    dialog.get_by_label("Reason").fill("power cut")
    dialog.get_by_role("button", name="Stop 2 runs").click()
    sent = [teller.next_command(f"{own}-{name}") for name in ("a", "b")]
    assert {command.reason for command in sent} == {"power cut"}
    for command, status in zip(sent, ("accepted", "rejected"), strict=True):
        _answer(teller, command, status, "not now")
    expect(dialog.get_by_role("alert")).to_contain_text(f"1 of 2 accepted. {own}-b: not now")


def test_selected_runs_are_compared_on_one_chart(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    teller.story(f"{own}-a", title=f"{own} a").define().start().walk(40)
    teller.story(f"{own}-b", title=f"{own} b").define().start().walk(90, seed=3)
    teller.flush()
    page.goto(f"/?q={own}&sort=title")
    expect(page.get_by_role("table", name="Active").locator("tbody tr")).to_have_count(2)
    page.get_by_label("Select all active runs shown").check()
    page.get_by_role("region", name="Selection").get_by_role("button", name="Compare").click()

    expect(page.get_by_role("img", name="Walks of 2 runs against observations n")).to_be_visible()
    expect(page.get_by_text("all of them have reached n = 40")).to_be_visible()
    page.get_by_role("button", name="share of the plan").click()
    expect(page.get_by_role("img", name="Walks of 2 runs against n / planned mean")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="share of the plan")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("region", name="Figures").locator("tbody tr")).to_have_count(2)


def test_an_experiment_is_watched_live_to_its_verdict(page: Page, installation: Any, own: str) -> None:
    story = installation.teller.story(own, title="Watched coin").define(actor="ana").start().walk(20)
    installation.teller.flush()
    page.goto(f"/experiments/{own}")
    expect(page.get_by_role("heading", name="Watched coin")).to_be_visible()
    numbers = page.get_by_role("region", name="Numbers")
    expect(numbers).to_contain_text("20")
    page.evaluate("window.stillTheSamePage = true")

    story.walk(111)
    installation.teller.flush()
    expect(numbers.locator(".figure").first.locator(".value")).to_have_text("131")

    story.pause(actor="ben", reason="lamp broke")
    installation.teller.flush()
    expect(page.get_by_role("status").filter(has_text="Paused")).to_be_visible()
    expect(page.get_by_role("region", name="History")).to_contain_text("lamp broke")

    story.resume().walk(9).decide()
    installation.teller.flush()
    verdict = page.get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text("H1 (p = 0.6) accepted against H0 (p = 0.5) at α = 0.01, β = 0.05")
    expect(page.get_by_role("img", name="Walk of the log-likelihood ratio")).to_be_visible()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    assert page.evaluate("window.stillTheSamePage") is True


def test_a_command_asks_for_a_reason_and_shows_the_workers_answer(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    teller.story(own).define().start().walk(5)
    teller.flush()
    page.goto(f"/experiments/{own}")

    page.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Stop the run").click()
    expect(dialog.get_by_role("alert")).to_contain_text("reason")
    dialog.get_by_label("Reason").fill("instrument fault")
    dialog.get_by_label("Your name").fill("ana")
    dialog.get_by_role("button", name="Stop the run").click()
    sent = teller.next_command(own)
    assert isinstance(sent, events.Stop)
    assert (sent.actor, sent.reason) == ("ana", "instrument fault")
    _answer(teller, sent, "rejected", "not now")
    expect(dialog.get_by_role("alert")).to_have_text("not now")

    dialog.get_by_role("button", name="Keep as it is").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("region", name="History")).to_contain_text("Stop rejected")


def test_a_blinded_run_shows_no_evidence_until_it_is_unblinded_by_name_and_reason(
    page: Page, installation: Any, own: str
) -> None:
    teller = installation.teller
    story = teller.story(own, blinded=True).define().start().walk(30)
    teller.flush()
    page.goto(f"/experiments/{own}")
    walk = page.get_by_role("img", name="Walk of the log-likelihood ratio")
    evidence = page.get_by_role("region", name="Numbers").get_by_text("Log-likelihood ratio", exact=True)
    expect(page.get_by_role("region", name="Blinded")).to_be_visible()
    expect(page.get_by_role("region", name="Numbers")).to_contain_text("30")
    expect(evidence).to_be_hidden()
    expect(walk).to_be_hidden()

    page.get_by_role("button", name="Unblind").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("safety board")
    dialog.get_by_label("Your name").fill("ana")
    dialog.get_by_role("button", name="Unblind").click()
    sent = teller.next_command(own)
    assert isinstance(sent, events.Unblind)
    story.unblind(cause=sent.id, actor=sent.actor, reason=sent.reason)
    _answer(teller, sent, "accepted", "unblinded")

    expect(dialog).to_be_hidden()
    expect(walk).to_be_visible()
    expect(evidence).to_be_visible()
    expect(page.get_by_role("region", name="History")).to_contain_text("safety board")


def test_a_new_experiment_runs_by_one_click(page: Page, installation: Any) -> None:
    teller = installation.teller
    page.goto("/new?template=acceptance")
    expect(page.get_by_label("Id", exact=True)).to_have_value("lot")

    page.get_by_role("button", name="Create and run").click()
    sent = teller.next_command("lot")
    assert isinstance(sent, events.Run)
    assert sent.experiment["model"]["h1"] == {"p": 0.05}
    teller.story("lot").define().start()
    _answer(teller, sent, "accepted", "defined, started")
    page.wait_for_url("**/experiments/lot")

    expect(page.get_by_role("heading", name="Waiting for the first observation")).to_be_visible()
    expect(page.get_by_text("waldstream observe lot")).to_be_visible()


def test_each_error_of_the_form_stands_at_its_field(page: Page) -> None:
    page.goto("/new?template=conversion")
    fields = {"H1: p": "1.5", "α, H1 wrongly accepted": "often", "Most observations": "-3", "Longest duration": "soon"}
    for label, text in fields.items():
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Create and run").click()

    for label, said in zip(
        fields, ["less than 1", "number", "greater than or equal to 1", "length of time"], strict=True
    ):
        field = page.locator(".field").filter(has=page.get_by_label(label))
        expect(field.get_by_role("alert")).to_contain_text(said)
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("H1: p").fill("0.06")
    expect(page.get_by_label("H1: p")).to_have_attribute("aria-invalid", "false")


def test_the_plan_of_a_design_appears_while_it_is_written(page: Page) -> None:
    page.goto("/new?template=conversion")
    plan = page.get_by_role("complementary", name="Plan")
    expect(plan).to_contain_text("LLR ≥ 2.773")

    page.get_by_label("H1: p").fill("1.06")
    expect(plan).not_to_contain_text("LLR")
    page.get_by_label("H1: p").fill("0.06")
    expect(plan).to_contain_text("LLR ≥ 2.773")


def test_the_queue_page_says_who_waits_why_and_what_is_due(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    lab = {"schedule": {"queue": own}}
    first, second = (
        teller.story(f"{own}-a", title=f"{own} first", **lab),
        teller.story(f"{own}-b", title="second", **lab),
    )
    first.define().queue(own).start()
    second.define().queue(own, priority=3)
    teller.story(f"{own}-c", title=f"{own} weekly", schedule={"cron": "0 9 * * 1"}).define().schedule(BEGIN_OF_TIME)
    teller.limit(own, 1)
    teller.flush()

    page.goto("/queue")
    queue = page.get_by_role("region", name=f"Queue {own}")
    expect(queue).to_contain_text("1 of 1 slots taken, 1 waiting")
    expect(queue.locator("tbody tr").first).to_contain_text("holds a slot")
    expect(queue.locator("tbody tr").last).to_contain_text("the only slot is taken")
    expect(page.get_by_role("region", name="Schedule")).to_contain_text("cron 0 9 * * 1 (UTC)")
    teller.limit(own, 0)
    teller.flush()
    expect(queue).to_contain_text("closed: its limit is 0")


def test_the_programme_page_counts_every_run_against_its_plan(page: Page, installation: Any, own: str) -> None:
    teller = installation.teller
    simulated = {"source": {"kind": "simulate", "theta": 0.5}}
    story = teller.story(own, title=f"{own} null", **simulated).define().start().walk(40).decide()
    story.start(attempt=2, retry_of=1).walk(30).decide("accept_h0", "boundary_lower")
    teller.flush()

    page.goto(f"/programme?q={own}")
    expect(page.get_by_role("region", name="In figures")).to_contain_text("1 H1 · 1 H0 · 0 inconclusive")
    expect(page.get_by_role("region", name="Calibration")).to_contain_text("1 of 2")
    expect(page.get_by_role("region", name="Ledger").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("region", name="Tried").locator("tbody tr").first).to_contain_text("1 / 1 / 0")


@pytest.mark.parametrize("address", ["/?q={own}", "/experiments/{own}", "/programme?q={own}"])
def test_hostile_text_is_shown_as_text(page: Page, installation: Any, own: str, address: str) -> None:
    story = installation.teller.story(own, title=HOSTILE, owner="<b>mallory</b>", tags=["<i>x</i>"], question=HOSTILE)
    story.define(actor=HOSTILE, reason=HOSTILE).start().walk(10).decide(
        "inconclusive", "manual", comment=HOSTILE, actor=HOSTILE
    )
    installation.teller.flush()

    page.goto(address.format(own=own))
    expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    assert page.locator("main img, main b, main i:not([aria-hidden]):not([style])").count() == 0


def test_a_page_for_what_is_not_there_yet_appears_by_itself(page: Page, installation: Any, own: str) -> None:
    page.goto(f"/experiments/{own}")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()

    installation.teller.story(own, title="Here now").define()
    installation.teller.flush()
    expect(page.get_by_role("heading", name="Here now")).to_be_visible()


def test_a_phone_shows_every_page_without_sideways_scrolling(browser: Browser, installation: Any, own: str) -> None:
    installation.teller.story(own, title="A rather long title " * 8).define().start().walk(30)
    installation.teller.flush()
    context = browser.new_context(base_url=installation.console.url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    for address, heading in (
        ("/", "Overview"),
        (f"/experiments/{own}", "A rather"),
        ("/programme", "Programme"),
        ("/queue", "Queue"),
        ("/new", "New experiment"),
    ):
        page.goto(address)
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_killed_redis_is_said_and_outlived(
    browser: Browser, model: Any, teller: Any, serve: Any, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "redis") as server:
        model.start_projector(replace(model.config, redis_url=server.url))
        story = teller.story("coin", title="Survivor").define().start().walk(20)
        teller.flush()
        page = browser.new_page(base_url=serve(redis_url=server.url).url)
        page.goto("/experiments/coin")
        observed = page.locator(".figure").first.locator(".value")
        expect(observed).to_have_text("20", timeout=60_000)
        page.evaluate("window.stillTheSamePage = true")

        server.kill()
        expect(page.get_by_role("alert").filter(has_text="Redis does not answer")).to_be_visible(timeout=60_000)
        expect(observed).to_have_text("20")
        story.walk(15)
        teller.flush()
        server.start()

        expect(observed).to_have_text("35", timeout=60_000)
        expect(page.get_by_role("alert").filter(has_text="Redis does not answer")).to_be_hidden()
        assert page.evaluate("window.stillTheSamePage") is True
        page.close()


def test_a_missing_projector_is_said_until_it_is_there(browser: Browser, model: Any, serve: Any) -> None:
    page = browser.new_page(base_url=serve().url)
    page.goto("/")
    alert = page.get_by_role("alert").filter(has_text="The projector is not running")
    expect(alert).to_be_visible(timeout=60_000)

    model.start_projector()

    expect(alert).to_be_hidden(timeout=60_000)
    page.close()


def _answer(teller: Any, command: events.Command, status: str, message: str) -> None:
    reply = events.Reply(
        command_id=command.id, experiment_id=command.experiment_id, status=status, code="test", message=message,
        version=1, at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    teller.send(teller.topics.control, reply)
    teller.flush()
