"""The newest revocation list that this computer knows of a publisher: kept between sessions, from files, fetched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .authorization.errors import RevocationListError, RevocationRollbackError
from .authorization.model_file import ModelDescription
from .authorization.revocation import LARGEST_LIST, RevocationList, read_revocation_list
from .input_files import InputFileError, read_input_file
from .revocation_download import RevocationDownload
from .translation import tr as _

SUFFIX = ".revocations"
"""A list beside a model file has its name with this ending."""

REFRESH_SECONDS = 24 * 3600
"""How long a fetched list is taken for new, and after a failure how long nobody tries again in a session."""

RETRY_SECONDS = 3600
"""After a failure, how long no other session tries either: a script for hundreds of studies would wait each time."""


def list_beside(model_path: Path) -> Path:
    """Where a list may lie beside a model file."""
    return Path(model_path).with_suffix(SUFFIX)


def user_folder() -> Path:
    """Where lists are kept without Slicer: ``AMIFUSION_FOLDER``, or a folder of the user's own as the system has it."""
    if folder := os.environ.get("AMIFUSION_FOLDER"):
        return Path(folder)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "AMIFusion"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "AMIFusion"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "amifusion"


def read_list_file(path: Path, public_key: str) -> RevocationList:
    """Read a list from a file.

    Raises:
        RevocationListError: the file holds no list, or not this publisher's.
        OSError: it cannot be read.
    """
    return read_revocation_list(_file_text(path), public_key)


class RevocationStore:
    """Keeps one list for each publisher, the newest that was seen; none of this is secret.

    What was written once is only replaced by a newer list of the same publisher. A file that is broken counts as
    none. Where nothing can be written, the list is known until the process ends.

    Args:
        folder: where to keep them; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._known: dict[str, RevocationList] = {}
        self._stamps: dict[str, tuple[int, int] | None] = {}

    def path(self, public_key: str) -> Path:
        """The file for a publisher's list, which need not exist."""
        digest = hashlib.sha256("".join(public_key.split()).encode()).hexdigest()
        return self._folder / f"{digest[:32]}{SUFFIX}"

    def known(self, public_key: str) -> RevocationList | None:
        """The newest list of a publisher that was seen, or None."""
        path = self.path(public_key)
        stamp = _stamp(path)
        if stamp is not None and stamp != self._stamps.get(public_key):
            self._stamps[public_key] = stamp
            with contextlib.suppress(RevocationListError, OSError, ValueError):
                self._take(read_list_file(path, public_key))
        return self._known.get(public_key)

    def accept(self, text: str, public_key: str) -> RevocationList:
        """Take a list, if it is newer than the one that is known.

        Args:
            text: the list's file.
            public_key: the publisher's.

        Returns:
            The newest list, which may be the one that was known before.

        Raises:
            RevocationRollbackError: a newer one was seen before, which still counts.
            RevocationListError: not a list of this publisher.
        """
        offered, before = read_revocation_list(text, public_key), self.known(public_key)
        if before is not None and offered.sequence < before.sequence:
            raise RevocationRollbackError(
                _(
                    "A revocation list of {offered} is not taken, because one of {known} is known, which still counts."
                ).format(offered=f"{offered.issued:%Y-%m-%d %H:%M}", known=f"{before.issued:%Y-%m-%d %H:%M}")
            )
        if before is None or offered.sequence > before.sequence:
            self._take(offered)
            with contextlib.suppress(OSError):
                self._write(self.path(public_key), text)
                self._stamps[public_key] = _stamp(self.path(public_key))
        return self._known[public_key]

    def mark_fetched(self, public_key: str) -> None:
        """Remember on the list's file that it is what the publisher had now."""
        with contextlib.suppress(OSError):
            os.utime(self.path(public_key))
        with contextlib.suppress(OSError):
            self._tried_path(public_key).unlink(missing_ok=True)

    def mark_tried(self, public_key: str) -> None:
        """Remember that somebody begins to fetch the list now, in an empty file that ``mark_fetched`` removes."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._tried_path(public_key).touch()

    def is_due(self, public_key: str) -> bool:
        """Whether the list should be fetched; a time that lies ahead, as the clock was set back, does not count."""
        fetched, tried = _age(self.path(public_key)), _age(self._tried_path(public_key))
        return not (0 <= fetched < REFRESH_SECONDS or 0 <= tried < RETRY_SECONDS)

    def _tried_path(self, public_key: str) -> Path:
        return self.path(public_key).with_suffix(".tried")

    def _take(self, offered: RevocationList) -> None:
        before = self._known.get(offered.public_key)
        if before is None or offered.sequence > before.sequence:
            self._known[offered.public_key] = offered

    def _write(self, path: Path, text: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=".list-", dir=self._folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(partial)


class Revocations:
    """What is known of revoked licenses, and the way to newer knowledge.

    Nothing here raises because of a list, a server or a disk: what is known goes on to count. Where somebody should
    hear of what went wrong, it is in ``problem``, one sentence, until something goes right: a list that is not the
    publisher's, an older one than is known, or no answer from an address that was given. That the model's own address
    does not answer is nothing to speak of: many computers in hospitals reach no network.

    Args:
        folder: where lists are kept.
        download: starts a download; for tests.
    """

    def __init__(self, folder: Path, download: Callable[[str], RevocationDownload] = RevocationDownload) -> None:
        self.store = RevocationStore(folder)
        self.problem = ""
        self._download = download
        self._under_way: dict[str, tuple[RevocationDownload, bool]] = {}
        self._tried: dict[str, float] = {}

    def current(self, model: ModelDescription, model_path: Path | None = None) -> RevocationList | None:
        """The newest list that is known without asking anybody: kept, or beside the model file.

        Args:
            model: whose publisher's list it is.
            model_path: the model's file, beside which a list may lie.
        """
        beside = list_beside(model_path) if model_path is not None else None
        if beside is not None and os.path.lexists(beside):
            self.take_file(beside, model, is_given=False)
        return self.store.known(model.public_key)

    def take_file(self, path: Path, model: ModelDescription, is_given: bool = True) -> bool:
        """Take a list from a file.

        Args:
            path: the file.
            model: whose publisher's list it is.
            is_given: whether somebody named it, and should hear if it is older than what is known.

        Returns:
            Whether it was taken; else ``problem`` says why not.
        """
        try:
            self._take(_file_text(path), model)
        except (RevocationListError, OSError) as error:
            if is_given or not isinstance(error, RevocationRollbackError):
                self.problem = f"{path.name}: {error}"
        else:
            return True
        return False

    def begin_refresh(self, model: ModelDescription, url: str | None = None) -> bool:
        """Begin to fetch the model's list, unless that was done within a day or the model names no address.

        Args:
            model: whose publisher's list it is.
            url: fetch it from there in any case.

        Returns:
            Whether a download is under way, which ``end_refresh`` must look after.
        """
        key = model.public_key
        if key in self._under_way:
            return True
        if not (url or model.revocation_url) or not (url or self._is_due(key)):
            return False
        self._tried[key] = time.monotonic()
        self.store.mark_tried(key)
        self._under_way[key] = self._download(url or model.revocation_url), bool(url)
        return True

    def is_under_way(self, model: ModelDescription) -> bool:
        """Whether a download has begun and nobody has looked yet at what came of it."""
        return model.public_key in self._under_way

    def end_refresh(self, model: ModelDescription, wait: float = 0.0) -> bool:
        """Look after a download.

        Args:
            model: as for ``begin_refresh``.
            wait: seconds to wait for it at most.

        Returns:
            Whether none is under way any more; ``current`` then gives what came of it.
        """
        if model.public_key not in self._under_way:
            return True
        download, is_given = self._under_way[model.public_key]
        try:
            text = download.text(wait)
            if text is None:
                return False
            self._take(text, model)
            self.store.mark_fetched(model.public_key)
        except (RevocationListError, OSError) as error:
            if is_given or isinstance(error, RevocationListError):
                self.problem = str(error)
        del self._under_way[model.public_key]
        return True

    def _take(self, text: str, model: ModelDescription) -> None:
        self.store.accept(text, model.public_key)
        self.problem = ""

    def _is_due(self, key: str) -> bool:
        tried = self._tried.get(key)
        if tried is not None and time.monotonic() - tried < REFRESH_SECONDS:
            return False
        return self.store.is_due(key)


def _file_text(path: Path) -> str:
    try:
        return read_input_file(Path(path), LARGEST_LIST).decode("utf-8-sig")
    except (InputFileError, UnicodeDecodeError):
        raise RevocationListError(
            _("This is not a complete revocation list. Get the file again from the publisher.")
        ) from None


def _age(path: Path) -> float:
    """Seconds since a file was written; negative if there is none."""
    stamp = _stamp(path)
    return time.time() - stamp[0] / 1e9 if stamp else -1.0


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
