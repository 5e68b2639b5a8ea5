"""Signing in: a token goes in once, a cookie that is no token stays in the browser. A plain page without scripts."""

import html
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.security import COOKIE, SIGN_IN, same, session
from console.settings import ConsoleConfig

_DAYS = 30
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · waldstream</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/console.css"></head>
<body><main class="page" style="max-width:420px;padding-top:12vh"><form class="card" method="post" action="{action}">
<div class="body stack"><h1 class="title">waldstream</h1><p class="note">This console needs a token.</p>
{problem}<label class="field"><span class="label">Token</span>
<input class="input" type="password" name="token" autocomplete="current-password" required autofocus></label>
<button class="button primary" type="submit">Sign in</button></div></form></main></body></html>"""
_WRONG = '<p class="problem" role="alert">token: what was given is none of this console.</p>'


def install(app: FastAPI, config: ConsoleConfig) -> None:
    """Add the sign-in page, if the console has a token."""
    tokens = config.tokens
    if not tokens.are_needed:
        return

    @app.get(SIGN_IN, include_in_schema=False)
    async def ask(next: str = "/") -> Response:  # noqa: A002  the name of the query field
        return _page(next, "")

    @app.post(SIGN_IN, include_in_schema=False)
    async def check(request: Request, given: Annotated[str, Form(alias="token")], next: str = "/") -> Response:  # noqa: A002  same
        role = tokens.role_of(lambda token: same(given, token))
        if role is None:
            return _page(next, _WRONG, 403)
        answer = RedirectResponse(_local(next), 303)
        answer.set_cookie(
            COOKIE,
            session(given),
            max_age=_DAYS * 86400,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer


def _page(target: str, problem: str, status: int = 200) -> Response:
    action = html.escape(f"{SIGN_IN}?next={_local(target)}", quote=True)
    return HTMLResponse(_PAGE.format(action=action, problem=problem), status, {"cache-control": "no-store"})


def _local(target: str) -> str:
    """Return the target if it is a path of this console, else its front page."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target.isprintable() else "/"
