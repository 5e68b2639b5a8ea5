"""axe-core, from npm, on every page in both themes: nothing serious, nothing critical."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.stack, pytest.mark.browser]

#: Where `npm install --prefix .waldstream/axe axe-core@4` puts it.
AXE = Path(__file__).parents[2] / ".waldstream" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.skip("axe-core is not there; install it with: npm install --prefix .waldstream/axe axe-core@4")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def told(installation: Any) -> str:
    """Experiments in every state, so that every part of every page is there to be looked at."""
    teller = installation.teller
    lab = {"queue": "axe"}
    teller.story("axe-live", title="Live", tags=["a"], question="Is it so?").define(actor="ana").start().walk(60)
    teller.story("axe-done", title="Done").define().start().walk(40).decide()
    teller.story("axe-open", title="Open").define().start().walk(9).decide("inconclusive", "manual", comment="why")
    teller.story("axe-paused", title="Paused").define().start().walk(5).pause(actor="ben", reason="lamp broke")
    teller.story("axe-idle", title="Idle", schedule={"cron": "0 9 * * 1"}).define()
    teller.story("axe-queued", title="Queued", schedule=lab).define().queue("axe")
    teller.story("axe-blind", title="Blind", blinded=True).define().start().walk(7)
    teller.flush()
    return "axe-live"


@pytest.fixture(scope="module", params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, installation: Any, axe: str) -> Iterator[Page]:
    context = browser.new_context(
        base_url=installation.console.url, viewport={"width": 1280, "height": 900}, color_scheme=request.param
    )
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("/?q=axe", "Select Live, axe-live/1"),
        ("/experiments/axe-live", "The walk"),
        ("/experiments/axe-done", "Archive"),
        ("/experiments/axe-paused", "History"),
        ("/experiments/axe-blind", "Blinded"),
        ("/new", "Question"),
        ("/new?clone=axe-live", "Definition"),
        ("/programme?q=axe", "Ledger"),
        ("/queue", "Queue axe"),
        ("/compare?runs=axe-live/1,axe-done/1", "Walks"),
        ("/experiments/nothing-of-that-name", ""),
    ],
)
def test_no_page_has_a_serious_violation(page: Page, axe: str, told: str, address: str, there: str) -> None:
    page.goto(address)
    page.get_by_label(there).first.wait_for() if there else page.get_by_role("heading").first.wait_for()
    if address.startswith("/?"):
        page.get_by_label(there).check()  # the bar of selected runs is looked at, too

    assert serious(page, axe) == []


def test_the_dialog_of_a_command_has_no_serious_violation(page: Page, axe: str, told: str) -> None:
    page.goto(f"/experiments/{told}")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop the run").click()

    assert serious(page, axe) == []


def serious(page: Page, axe: str) -> list[str]:
    """Return what axe finds that is serious or critical: rule and where."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {json.dumps([node['html'][:160] for node in each['nodes'][:3]])}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
