"""Who may talk to the console: checked on every request and on the socket, before anything else sees them.

- *Host* must be an address or a name that was allowed: a page on another name that resolves here (DNS rebinding) is
  refused.
- *Origin*, where a browser sends it, must be this console: no other page can command it or open its socket.
- With tokens, everything but the sign-in page needs one: as `Authorization: Bearer`, or as the cookie that signing in
  leaves. The operator's token may command, the viewer's may only read. A cookie alone never changes anything: the
  browser must say that the request comes from a page of this console.
"""

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "waldstream_session"
SIGN_IN: Final = "/sign-in"
_SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
#: NiceGUI compiles its templates in the browser and starts by an inline script, hence the two `unsafe`; nothing may
#: come from, or go to, any other place than this console.
_SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
}
POLICY: Final = "; ".join(f"{what} {allowed}" for what, allowed in _SOURCES.items())
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


Role = Literal["viewer", "operator"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets that open the console, by role; without an operator's, whoever can connect is an operator."""

    operator: str | None = None
    viewer: str | None = None

    @property
    def are_needed(self) -> bool:
        """Whether anybody has to prove who they are."""
        return self.operator is not None

    def role_of(self, is_right: Callable[[str], bool]) -> Role | None:
        """Return the role whose token passes the check, None if none does; every token is looked at."""
        operator = self.operator is not None and is_right(self.operator)
        viewer = self.viewer is not None and is_right(self.viewer)
        if operator:
            return "operator"
        return "viewer" if viewer else None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a role, and whether a token proved it."""

    role: Role = "operator"
    is_proved: bool = False

    @property
    def may_command(self) -> bool:
        """Whether commands of this visitor are sent."""
        return self.role == "operator"

    def actor(self, claimed: str) -> str:
        """Return the actor of a command: who it claims to come from, and what was proved."""
        return f"{claimed} (by the {self.role}'s token)" if self.is_proved else claimed


def visitor(connection: HTTPConnection) -> Visitor:
    """Return who the guard found behind a request."""
    found: Visitor = connection.state.visitor
    return found


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was turned away."""

    status: int
    title: str
    detail: str


class Guard:
    """The outermost layer of the console.

    Parameters
    ----------
    app
        What is guarded.
    tokens
        What opens the console; none on loopback, where whoever can connect is the machine's own user.
    hosts
        Names, beside addresses and `localhost`, under which the console may be asked for.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, hosts: Iterable[str]) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = {host.lower() for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the reason why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, _hardened(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.title})
        elif refusal.status == 401 and "text/html" in headers.get("accept", "") and scope["method"] == "GET":
            await _redirect(f"{SIGN_IN}?next={quote(_target(scope), safe='')}", _hardened(send))
        else:
            await _answer(refusal, _hardened(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_known(host):
            return Refusal(
                421,
                "Unknown host",
                f"Host: {host[:200]!r}; allowed: an address, localhost, or a name set as allowed_hosts",
            )
        if (refusal := _foreign(scope, headers, host)) is not None:
            return refusal
        if not self._tokens.are_needed or _is_open(scope["path"]):
            scope.setdefault("state", {})["visitor"] = Visitor()
            return None
        role, by_cookie = self._role(headers)
        if role is None:
            return Refusal(401, "Sign in", "this console needs a token: Authorization: Bearer <token>, or sign in")
        is_writing = scope["type"] == "http" and scope["method"] not in _SAFE_METHODS
        if is_writing and by_cookie and "origin" not in headers and "sec-fetch-site" not in headers:
            return Refusal(403, "No origin", "a cookie alone changes nothing; allowed: with Origin, or a bearer token")
        if is_writing and role == "viewer" and scope["path"].startswith("/api/"):
            return Refusal(403, "Viewers read", "this token may read; commands need the operator's")
        scope.setdefault("state", {})["visitor"] = Visitor(role, is_proved=True)
        return None

    def _is_known(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "") if _is_clean(host) else ""
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)  # an address cannot be rebound
        except ValueError:
            return False
        return True

    def _role(self, headers: Headers) -> tuple[Role | None, bool]:
        """Return whose token the request carries, and whether only its cookie says so."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._tokens.role_of(lambda token: same(given.strip(), token)), False
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return self._tokens.role_of(lambda token: same(cookie, session(token))), True


def session(token: str) -> str:
    """Return what the cookie of a signed-in browser holds: proof of the token, not the token."""
    return hmac.new(token.encode(), b"waldstream console session", hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Return whether two secrets are equal, in a time that says nothing about where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def is_loopback(host: str) -> bool:
    """Return whether a server on this address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _foreign(scope: Scope, headers: Headers, host: str) -> Refusal | None:
    """Return a refusal for what a page of another origin makes a browser send."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return Refusal(403, "Foreign origin", f"Origin: {origin[:200]!r}; allowed: this console's own, {host}")
    site = headers.get("sec-fetch-site", "none")
    is_page = scope["type"] == "http" and scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
    is_reading = is_page and not scope["path"].startswith("/api/")
    if site not in ("same-origin", "none") and not is_reading:
        return Refusal(403, "Foreign origin", f"Sec-Fetch-Site: {site[:40]!r}; allowed: same-origin")
    return None


def _is_clean(host: str) -> bool:
    return bool(host) and not any(sign in host for sign in "@/\\?# ")


def _is_open(path: str) -> bool:
    return path == SIGN_IN or path.startswith("/static/") or path == "/healthz"


def _target(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    path: str = scope["path"]
    return f"{path}?{query}" if query else path


def _hardened(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped


async def _answer(refusal: Refusal, send: Send) -> None:
    body = json.dumps(
        {"type": "about:blank", "title": refusal.title, "status": refusal.status, "detail": refusal.detail}
    ).encode()
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
    ]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="waldstream"'))
    await _respond(refusal.status, headers, body, send)


async def _redirect(target: str, send: Send) -> None:
    await _respond(303, [(b"location", target.encode()), (b"cache-control", b"no-store")], b"", send)


async def _respond(status: int, headers: list[tuple[bytes, bytes]], body: bytes, send: Send) -> None:
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
