"""Who may open the page and press its buttons.

A web page of elsewhere can make a person's browser ask for anything here. So a request has to come
for a name of this machine (a foreign name could be pointed here: DNS rebinding), not from another
page (Origin and Sec-Fetch-Site, which browsers send), and with the token where there is one.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READING = ("GET", "HEAD")
_NOT_LET_IN = "the token is missing or wrong: open the URL that the dashboard printed\n"


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class Access:
    """Middleware that refuses what is not meant, and adds the headers that browsers heed."""

    def __init__(self, app: ASGIApp, token: str, everywhere: bool) -> None:
        """`everywhere`: whether the server is reached from other machines, too."""
        self._app, self._token = app, token
        self._names = {"localhost"}
        if everywhere:
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local", socket.getfqdn().lower()}
        self._everywhere = everywhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there are no websockets here

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            return _refused(421, "this name is not one of this machine's: use its IP address")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _refused(403, "requests of other web pages are refused")
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode")
        opened = mode == "navigate" and scope["method"] in _READING
        if site not in ("none", "same-origin") and not opened:
            return _refused(403, "requests of other web pages are refused")
        kind = headers.get("content-type", "").partition(";")[0]
        if scope["method"] not in _READING and kind != "application/json":
            return _refused(415, "expected a body of application/json")
        return self._token_refusal(scope, headers) if self._token else None

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._everywhere or address.is_loopback

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        cookie = f"pose_estimation_dashboard_{(scope.get('server') or ('', 0))[1]}"
        in_url = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if in_url and scope["path"] == "/":
            if not self._fits(in_url):
                return _refused(401, _NOT_LET_IN)
            # Kept out of the address line, the history and screenshots from here on.
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(cookie, self._token, httponly=True, samesite="lax", path="/")
            return response
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except Exception:  # cookies of other programs on this host may be anything
            jar = SimpleCookie()
        kept = jar[cookie].value if cookie in jar else ""
        return None if self._fits(bearer) or self._fits(kept) else _refused(401, _NOT_LET_IN)

    def _fits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text if text.endswith("\n") else f"{text}\n", status_code=status)
