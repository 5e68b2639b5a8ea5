"""What all pages share: top bar, banner when the read model is away, plain HTML elements, and following the board."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog
from nicegui import background_tasks, ui
from nicegui.element import Element

from console import numbers
from console.board import Board, Health, News
from console.components import ThemeToggle
from console.desk import Desk

_log = structlog.get_logger("console")
_FOLLOW_SECONDS = 0.25

BRAND = (
    '<svg width="26" height="26" viewBox="0 0 26 26" fill="none" aria-hidden="true">'
    '<path d="M2.5 5h21" stroke="var(--h1)" stroke-width="1.8" stroke-linecap="round"/>'
    '<path d="M2.5 21h21" stroke="var(--h0)" stroke-width="1.8" stroke-linecap="round"/>'
    '<path d="M3 15.5l3-2.6 2.6 3.4 3.4-5.2 2.4 2.2 3-4.6 2 1.6 3.1-4.6" stroke="currentColor" stroke-width="1.7"'
    ' stroke-linejoin="round" stroke-linecap="round"/></svg>'
)


def tag(name: str, classes: str = "", text: str | None = None, **attributes: str) -> Element:
    """Return a plain HTML element whose text is text; underscores in attribute names become dashes."""
    element = Element(name)
    if classes:
        element.classes(classes)
    for attribute, value in attributes.items():
        element.props[attribute.rstrip("_").replace("_", "-")] = value
    if text is not None:
        set_text(element, text)
    return element


def set_text(element: Element, text: str) -> None:
    """Change an element's text; nothing is sent if it is the same."""
    if element._text != text:  # noqa: SLF001  NiceGUI's own elements set their text this way; there is no public one
        element._text = text  # noqa: SLF001  same
        element.update()


def set_classes(element: Element, classes: str) -> None:
    """Change an element's classes, its being hidden apart; nothing is sent if they are the same."""
    wanted = [*classes.split(), *(name for name in element.classes if name == "hidden")]
    if list(element.classes) != wanted:
        element.classes(replace=" ".join(wanted))


@contextmanager
def shell(desk: Desk, here: str) -> Iterator[None]:
    """Build the page around what is built inside; `here` is the address of the current part of the console."""
    health = desk.board.health
    tag("a", "skip", "Skip to content", href="#main")
    with tag("header", "top"), tag("div", "top-in"):
        with tag("a", "brand", href="/", aria_label="waldstream, overview"):
            ui.html(BRAND, sanitize=False)
            tag("span", text="waldstream")
        with tag("nav", "actions-nav", aria_label="Main"):
            for address, text, rest in (
                ("/", "Overview", ""),
                ("/programme", "Programme", ""),
                ("/queue", "Queue", " and schedule"),
                ("/new", "New", " experiment"),
            ):
                with tag("a", "nav", href=address) as link:
                    tag("span", text=text)
                    if rest:
                        tag("span", "only-wide", rest)
                if address == here:
                    link.props["aria-current"] = "page"
        tag("div", "grow")
        with tag("div", "health", role="status") as light:
            tag("i", aria_hidden="true")
            words = tag("span")
        ThemeToggle()
    with tag("div", "banner", role="alert") as banner, tag("div", "banner-in"):
        head, body = tag("strong"), tag("span")
    with tag("div", "page", id="main", tabindex="-1"):  # NiceGUI's own page is the main landmark
        yield

    def show(now: Health) -> None:
        tone, short, title, long = _words(now)
        set_classes(light, f"health {tone}")
        light.props["aria-label"] = short
        set_text(words, short)
        banner.set_visibility(bool(title))
        set_classes(banner, f"banner {tone}")
        set_text(head, title)
        set_text(body, long)

    show(health)
    follow(desk.board, None, lambda _: show(desk.board.health), only_health=True)


def _words(health: Health) -> tuple[str, str, str, str]:
    """Return tone, a few words, and title and text of the banner (empty if all is well)."""
    if not health.is_redis_up:
        return (
            "bad",
            "Read model away",
            "Redis does not answer.",
            "You see the last known state; runs go on and nothing is lost. This page recovers by itself.",
        )
    if not health.is_projector_up:
        return (
            "bad",
            "Not live",
            "The projector is not running.",
            "You see the last known state; runs go on and nothing is lost. Start it with `waldstream projector`.",
        )
    if health.behind > 1000:
        waiting = numbers.count(health.behind)
        return ("warn", "Catching up", "Catching up.", f"About {waiting} records lie before what you see.")
    return ("live", "Live", "", "")


Handler = Callable[[News], Awaitable[None] | None]


def follow(
    board: Board,
    experiment_id: str | None,
    handler: Handler,
    *,
    only_health: bool = False,
    interval: float = _FOLLOW_SECONDS,
) -> None:
    """Call the handler with what changed until the page is closed; first with everything, once the page is open."""
    client = ui.context.client

    async def tell(news: News) -> None:
        try:
            with client:
                done = handler(news)
                if done is not None:
                    await done
        except Exception:  # noqa: BLE001  one failed update must not end the page's life
            _log.exception("page could not be updated", page=client.page.path)

    async def loop() -> None:
        await client.connected()
        async for news in board.watch(experiment_id, interval):
            if client.is_deleted:
                return
            if news.health or news.all or not only_health:
                await tell(news)

    task: asyncio.Task[None] = background_tasks.create(loop(), name=f"follow {experiment_id or 'board'}")
    client.on_delete(task.cancel)
