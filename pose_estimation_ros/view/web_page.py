"""The page with Rerun's web viewer, for browsers.

Rerun's program serves it, too, but that page asks other machines for fonts, examples and the
newest version, and sends usage data. This one has the same files and speaks to this machine alone.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.view.rerun_program import LOOPBACK, RerunProgram, free_port

_FILES = ("re_viewer.js", "re_viewer_bg.wasm", "favicon.ico")
_OUTSIDE = re.compile(r"<link\b[^>]*https?://[^>]*>", re.DOTALL)
_TIMEOUT_S, _POLL_S = 20.0, 0.05
# Whatever the viewer asks of other machines is answered here, with nothing.
_SCRIPT = """<script>
  const ask = window.fetch.bind(window);
  window.fetch = (what, how) => {
    const url = new URL(typeof what === "object" && what.url ? what.url : what, location.href);
    if (url.hostname === location.hostname) return ask(what, how);
    return Promise.resolve(new Response("[]"));
  };
</script>
"""


class WebPage:
    """Serves the page at an address and a port until it is closed."""

    def __init__(self, address: str, port: int, data_port: int) -> None:
        """`data_port`: where the viewer finds its data, on the machine that it came from.

        Raises:
            PoseEstimationError: the port cannot be had, or Rerun's program gives no page.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="pose_estimation_view_")
        try:
            _take_files(Path(self._folder.name))
            handler = partial(_Handler, data_port, directory=self._folder.name)
            self._server = ThreadingHTTPServer((address, port), handler)
        except OSError as error:
            self._folder.cleanup()
            reason = error.strerror or str(error)
            raise PoseEstimationError(f"no page at {address}:{port}: {reason}") from error
        except BaseException:
            self._folder.cleanup()
            raise
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._folder.cleanup()


def _take_files(folder: Path) -> None:
    """Gets the page and its files from Rerun's program, which holds them."""
    port = free_port()
    arguments = ("--serve-web", "--web-viewer-port", str(port))
    with RerunProgram(free_port(), *arguments):
        for name in ("", *_FILES):
            content = _get(f"http://{LOOPBACK}:{port}/{name}")
            if not name:
                page = _OUTSIDE.sub("", content.decode("utf-8"))
                content = page.replace("<head>", f"<head>\n{_SCRIPT}", 1).encode("utf-8")
            (folder / (name or "index.html")).write_bytes(content)


def _get(url: str) -> bytes:
    """What lies there; the server may have yet to start.

    Raises:
        OSError: it has not started after some time.
    """
    end_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # nosec B310
                content: bytes = answer.read()
                return content
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(_POLL_S)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, data_port: int, *args: Any, **options: Any) -> None:
        self._data_port = data_port
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path != "/" or "url=" in query:
            super().do_GET()
            return
        # By whatever name the browser found this machine, the data are there, too.
        data = f"rerun+http://{self._host()}:{self._data_port}/proxy"
        words = {"url": data, "hide_welcome_screen": "1"}
        self.send_response(302)
        self.send_header("Location", f"/?{urllib.parse.urlencode(words)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def end_headers(self) -> None:
        host = self._host()
        self.send_header(
            "Content-Security-Policy",
            "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
            "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
            f"connect-src 'self' data: blob: http://{host}:{self._data_port}",
        )
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def _host(self) -> str:
        named = self.headers.get("Host", "") if hasattr(self, "headers") else ""
        host = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d+)?", named)
        return host.group(1) if host else LOOPBACK

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of requests."""
