"""Debian's Chromium, headless, for pictures and for what a browser measures."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Final

from playwright.sync_api import Browser, sync_playwright

_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Inside the block a browser is open.

    Raises
    ------
    FileNotFoundError
        If there is no Chromium on PATH.
    """
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("no chromium on PATH; install it with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()
