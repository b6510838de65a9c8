"""Keeps one license on this computer between sessions: a file that only its owner can read, outside any scene."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import unicodedata
from pathlib import Path

from .translation import tr as _

LARGEST_BYTES = 1 << 16
"""No license is larger; whatever is, is not read."""

_FILE_NAME = "remembered.license"
_PARTIAL = ".remembered-"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class LicenseStoreError(OSError):
    """The license could not be kept or deleted; the message says what to do and holds no part of it."""


class LicenseStore:
    """One license in one file of a folder of its own.

    The file is made with mode 0600 before a byte is written, in a folder of mode 0700, and replaced as a whole. On
    Windows, where such modes do not exist, both inherit the access rules of the user's profile.

    A file that others may read is tightened when it is loaded, and used: a license is signed, so that nobody can have
    put anything into it, and refusing it would not make it less known. What this user does not own, what cannot be
    tightened, a link and anything but a plain file are not read.

    Args:
        folder: the folder, made when something is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)

    @property
    def path(self) -> Path:
        """The license's file, which need not exist."""
        return self._folder / _FILE_NAME

    @property
    def is_occupied(self) -> bool:
        """Whether there is anything at ``path``, be it readable or not."""
        return os.path.lexists(self.path)

    def save(self, text: str) -> None:
        """Keep a license instead of the one before.

        Args:
            text: as it was entered.

        Raises:
            LicenseStoreError: it could not be written so that only this user can read it; the one before is still
                there.
        """
        content = text.encode("utf-8", errors="replace")
        if len(content) > LARGEST_BYTES:
            raise LicenseStoreError(_("This text is too long for a license. Enter the license alone."))
        try:
            self._replace(content)
        except LicenseStoreError:
            raise
        except OSError as error:
            reason = error.strerror or type(error).__name__
        else:
            return
        raise LicenseStoreError(
            _(
                "The license cannot be kept in {folder} ({reason}). Check the folder's permissions and the space on "
                "the disk, or enter the license in each session."
            ).format(folder=self._folder, reason=reason)
        )

    def load(self) -> str | None:
        """The license that was saved last, or None: there is none, or nothing that can be read as one."""
        flags = os.O_RDONLY
        # Not to follow a link, not to wait for a pipe's other end, not to translate line ends.
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        try:
            descriptor = os.open(self.path, flags)
        except OSError:
            return None
        try:
            content = _private_content(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return _license_text(content)

    def forget(self) -> None:
        """Delete the license and what an interrupted ``save`` may have left; nothing happens if there is none.

        Raises:
            LicenseStoreError: it is still there.
        """
        try:
            self.path.unlink(missing_ok=True)
            for partial in self._folder.glob(f"{_PARTIAL}*"):
                partial.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError:
            raise LicenseStoreError(
                _("The remembered license cannot be deleted. Delete the file {path} yourself.").format(path=self.path)
            ) from None

    def _replace(self, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _has_modes() and stat.S_IMODE(self._folder.stat().st_mode) & _OTHERS:
            self._folder.chmod(0o700)
        # mkstemp makes the file exclusively and with mode 0600, whatever the umask.
        descriptor, partial = tempfile.mkstemp(prefix=_PARTIAL, dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._refuse_readable_by_others(file.fileno())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(partial)

    def _refuse_readable_by_others(self, descriptor: int) -> None:
        """Some network and removable disks give every file the same mode."""
        if _has_modes() and stat.S_IMODE(os.fstat(descriptor).st_mode) & _OTHERS:
            raise LicenseStoreError(
                _(
                    "The license is not kept, because others could read files in {folder}. Enter it in each session."
                ).format(folder=self._folder)
            )


def _has_modes() -> bool:
    return os.name != "nt"


def _private_content(descriptor: int) -> bytes | None:
    """What is in a plain file of this user's, tightened first if others may read it; None if it is anything else."""
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_BYTES:
        return None
    if _has_modes():
        if state.st_uid != os.geteuid():
            return None
        if stat.S_IMODE(state.st_mode) & _OTHERS:
            os.fchmod(descriptor, 0o600)
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OTHERS:
                return None
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    return content if len(content) <= LARGEST_BYTES else None


def _license_text(content: bytes | None) -> str | None:
    try:
        text = (content or b"").decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    # Marks of zero width are not printable, but mail programs put them into licenses, which hold all the same.
    is_text = all(character.isspace() or unicodedata.category(character) != "Cc" for character in text)
    return text.strip() or None if is_text else None
