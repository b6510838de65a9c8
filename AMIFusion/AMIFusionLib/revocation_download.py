"""Fetches a revocation list: a plain GET that says nothing of the user or a license, and never holds anybody up."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.parse import urlsplit

from .authorization.revocation import LARGEST_LIST, check_revocation_url
from .translation import tr as _

TIMEOUT_SECONDS = 10.0
"""For each answer of the server, and for all of the download."""

_CHUNK_BYTES = 1 << 16
_MOST_REDIRECTS = 4


class DownloadError(OSError):
    """The list could not be fetched; the message says why."""


class RevocationDownload:
    """A download in a thread of its own, which ends with the process.

    In Slicer the event loop lets no other Python thread run while it waits, so that somebody must look from time to
    time: each ``text(wait)`` gives the thread up to ``wait`` seconds.

    Args:
        url: the list's address.
        timeout: for all of it, seconds.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url, self._timeout = url, timeout
        self._deadline = time.monotonic() + timeout
        self._text: str | None = None
        self._error: DownloadError | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="AMIFusion revocation list", daemon=True).start()

    def text(self, wait: float = 0.0) -> str | None:
        """The list's text, or None as long as it is under way.

        Args:
            wait: seconds to wait for it at most.

        Raises:
            DownloadError: it could not be fetched.
        """
        if self._ended.wait(wait):
            if self._error is not None:
                raise self._error
            return self._text
        # Names are looked up without a timeout, and a server may send a byte at a time.
        if time.monotonic() > self._deadline:
            raise DownloadError(_no_answer(self._url))
        return None

    def _run(self) -> None:
        try:
            self._text = download_text(self._url, self._timeout)
        except DownloadError as error:
            self._error = error
        finally:
            self._ended.set()


def download_text(url: str, timeout: float = TIMEOUT_SECONDS) -> str:
    """Fetch a list and wait for it.

    Args:
        url: its address; https, or http on this computer itself.
        timeout: seconds, for each answer and about for the whole.

    Raises:
        DownloadError: no such address, no answer, too slow, too large, no text, or a redirection to an address that
            ``check_revocation_url`` refuses.
    """
    deadline = time.monotonic() + timeout
    try:
        check_revocation_url(url)
        request = urllib.request.Request(url, headers={"User-Agent": "AMIFusion", "Accept": "text/plain, */*"})
        with _opener().open(request, timeout=timeout) as response:
            content = _content(response, deadline, url)
        return content.decode("utf-8-sig")
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        with error:
            reason = f"{error.code}"
    except urllib.error.URLError as error:
        reason = _kind(error.reason)
    except (HTTPException, OSError, ValueError) as error:
        # Servers' own words are not repeated: they may be anything.
        reason = _kind(error)
    raise DownloadError(
        _("The revocation list at {host} cannot be fetched ({reason}).").format(host=_host(url), reason=reason)
    )


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to where a list might have been fetched from in the first place."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(
        self, request: urllib.request.Request, file: IO[bytes], code: int, message: str, headers: HTTPMessage,
        new_url: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        try:
            check_revocation_url(new_url)
            is_safe = urlsplit(new_url).scheme == urlsplit(request.full_url).scheme
        except ValueError:
            is_safe = False
        if not is_safe:
            raise DownloadError(
                _(
                    "The revocation list at {host} is not fetched: its server refers to a place that is not safe."
                ).format(host=_host(request.full_url))
            )
        return super().redirect_request(request, file, code, message, headers, new_url)


def _opener() -> urllib.request.OpenerDirector:
    """Only HTTP: the usual opener also reads files, FTP and data addresses, and what a password file says."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _SafeRedirects,
    ):
        opener.add_handler(handler())
    return opener


def _content(response: HTTPResponse, deadline: float, url: str) -> bytes:
    content = b""
    while chunk := response.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > LARGEST_LIST:
            raise DownloadError(
                _("The revocation list at {host} is larger than {count} bytes and is not taken.").format(
                    host=_host(url), count=LARGEST_LIST
                )
            )
        if time.monotonic() > deadline:
            raise DownloadError(_no_answer(url))
    return content


def _no_answer(url: str) -> str:
    return _("The revocation list at {host} cannot be fetched: it takes too long.").format(host=_host(url))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _kind(error: object) -> str:
    return type(error).__name__
