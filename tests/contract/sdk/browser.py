"""A page of an origin of its own, opened in a headless Chromium, that tells what it did."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tests.contract.sdk.flows import FOLDER

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # root may not have one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--no-first-run",
]
SECONDS = 60

Done = dict[str, Any]


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class PageServer(ThreadingHTTPServer):
    """Serves the page, the SDK and what the page is to know, and takes what it tells."""

    daemon_threads = True

    def __init__(self, sdk: Path, about: dict[str, str], say: Callable[[Done], object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            "/": ("text/html", (FOLDER / "page.html").read_bytes()),
            "/sdk.js": ("text/javascript", sdk.read_bytes()),
            "/about": ("application/json", json.dumps(about).encode()),
        }
        self.say = say
        self.done: Queue[Done] = Queue()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        kind, content = self.server.files.get(self.path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/say":
            self.server.say(told)
        else:
            self.server.done.put(told)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing is printed."""


@contextlib.contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_page(server: PageServer, profile: Path) -> Done:
    """Open the page and wait for what it tells. A page that tells nothing fails the test with the browser's words."""
    browser = find_browser()
    assert browser is not None
    with (profile.parent / "browser.log").open("w+b") as log:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", server.origin]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            return server.done.get(timeout=SECONDS)
        except Empty:
            log.seek(0)
            raise AssertionError(f"the page told nothing:\n{log.read().decode(errors='replace')}") from None
        finally:
            process.terminate()
            process.wait(timeout=SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it left behind
