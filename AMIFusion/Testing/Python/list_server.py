"""A server on this computer that answers requests for a revocation list as a test says."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ListServer(ThreadingHTTPServer):
    """Answers every path with ``content``, unless ``answers`` has a function for the path.

    Attributes:
        requests: method, path and headers of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.content, self.answers, self.requests = b"", {}, []
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, path="/revocations.txt"):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        """Clients that hang up are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 - the base class's
        server = self.server
        server.requests.append((self.command, self.path, dict(self.headers)))
        if answer := server.answers.get(self.path):
            answer(self)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content)

    def log_message(self, *_):
        pass


def redirect(target):
    """An answer that sends the client elsewhere."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


def drip(seconds):
    """An answer of a byte at a time, for some seconds."""

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b"#")
            time.sleep(0.02)

    return answer


@contextmanager
def serving():
    """A server that runs until the test ends."""
    server = ListServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
