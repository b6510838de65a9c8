"""Issues licenses for one person or for a table of them: all are checked before the first is written."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from AMIFusionLib.authorization.errors import LicenseKeyError
from AMIFusionLib.authorization.keys import derive_model_key
from AMIFusionLib.authorization.license import inspect_license, issue_license, license_file_text
from AMIFusionLib.authorization.model_file import Parameters, SealedModel
from AMIFusionLib.authorization.revocation import RevocationList
from AMIFusionLib.whole_output import check_free, whole

from .files import write_private
from .lock import locked
from .tables import LICENSE_SUFFIX, LicenseRequest, RegisteredLicense, check_file_name, read_register, register_text

REGISTER_NAME = "licenses.csv"
"""The register beside licenses, where no other is named."""

_LONGEST_STEM = 60
_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True)
class IssuedLicense:
    """A license that nobody has yet.

    Attributes:
        text: the license's file.
        row: what is kept of it.
    """

    text: str = field(repr=False)
    row: RegisteredLicense


def open_as_owner(model: SealedModel, master_key: bytes) -> tuple[bytes, Parameters]:
    """A model's key and all its parameters, from the publisher's master key.

    Raises:
        ValueError: the model was sealed with another one.
    """
    description = model.description
    key = derive_model_key(master_key, description.model_id, description.generation)
    try:
        return key, model.open_parameters(key)
    except LicenseKeyError:
        raise ValueError(
            f"The master key does not open the model '{description.model_id}': it was sealed with another one, or the "
            "file was changed. Give the master key that it was sealed with."
        ) from None


class Issuer:
    """Issues licenses of one publisher.

    Args:
        models: for which licenses may be asked.
        master_key: 32 bytes.
        signing_key: the publisher's.

    Raises:
        ValueError: a master key that does not open a model, or two models of one id. A license that opens nothing would
            only be found out by the licensee.
    """

    def __init__(self, models: Sequence[SealedModel], master_key: bytes, signing_key: Ed25519PrivateKey) -> None:
        self._models = {model.description.model_id: model.description for model in models}
        self._keys = {model.description.model_id: open_as_owner(model, master_key)[0] for model in models}
        self._signing_key = signing_key
        if len(self._models) < len(models):
            raise ValueError("Two of the models have the same id. Give one file for each model.")

    def issue(self, requests: Iterable[LicenseRequest]) -> list[IssuedLicense]:
        """Make licenses, or none of them.

        Raises:
            ValueError: what is wrong with the first request that cannot be met.
        """
        issued: list[IssuedLicense] = []
        taken: set[str] = set()
        for request in requests:
            name = _file_name(request, taken)
            taken.add(name.casefold())
            try:
                issued.append(self._issue(request, name))
            except ValueError as error:
                raise ValueError(f"{request.licensee}: {error} Nothing was written.") from None
        return issued

    def _issue(self, request: LicenseRequest, name: str) -> IssuedLicense:
        if not request.model and len(self._models) > 1:
            raise ValueError("It must say for which of the models.")
        model_id = request.model or next(iter(self._models))
        if model_id not in self._models:
            raise ValueError(f"The model '{model_id}' is not among those given.")
        now = datetime.now(timezone.utc)
        if request.expires < now + _SHORTEST:
            raise ValueError("The license would already have expired. Choose a later day.")
        model, start = self._models[model_id], request.not_before or now
        token = issue_license(model, self._keys[model_id], self._signing_key, request.licensee, start, request.expires)
        shown = inspect_license(token)
        row = RegisteredLicense(
            shown["jti"], request.licensee, model_id, model.generation, shown["nbf"], shown["exp"], name,
            request.replaces,
        )  # fmt: skip
        return IssuedLicense(license_file_text(token), row)


def write_one(path: Path, issued: IssuedLicense, register: Path | None = None) -> None:
    """Write a license's file, and a line into the register; both or neither.

    Raises:
        ValueError: the register is none.
        OSError: something cannot be written.
    """
    if register is not None:
        register = register.resolve()  # behind a link lies the table that is kept
        _rows_of(register)  # before there is a lock, which would stay where nothing is written
    with whole(path) as place:
        write_private(place, issued.text)
        if register is not None:
            row = replace(issued.row, file=_plain_name(path, issued.row.file))
            with locked(register):
                _extend(register, [replace(issued, row=row)])


def write_all(folder: Path, issued: Sequence[IssuedLicense], register: Path) -> None:
    """Write licenses into a new folder, and their lines into the register; all or nothing.

    Args:
        folder: where to; must not be there, or be empty.
        issued: the licenses.
        register: a table that gets their lines; it is made if it is not there, in the folder or elsewhere.

    Raises:
        ValueError: the register is none.
        OSError: something cannot be written.
    """
    if register.parent.resolve() == folder.resolve():
        _write_folder(folder, issued, register.name)
        return
    register = register.resolve()  # behind a link lies the table that is kept
    _rows_of(register)  # before there is a lock, which would stay where nothing is written
    with _written(folder, issued), locked(register):
        _extend(register, issued)


def reissue(
    folder: Path,
    register: Path,
    issuer: Issuer,
    model: SealedModel,
    revocations: RevocationList,
    expires: datetime | None = None,
) -> tuple[list[IssuedLicense], dict[str, int]]:
    """Issue what licensees of a model need when its key was exchanged, into a new folder and the register; all or none.

    Of several commands at the same time the first one does it, and the others find it done.

    Args:
        folder: where to; must not be there, or be empty.
        register: the table of licenses that were issued.
        issuer: of the model.
        model, revocations, expires: as ``to_reissue`` takes them.

    Returns:
        The licenses, and how many need none, as ``to_reissue`` counts them. Without licenses nothing was written.

    Raises:
        ValueError: the register is none, or a license cannot be issued.
        OSError: something cannot be read or written.
    """
    register = register.resolve()

    def decide() -> tuple[list[IssuedLicense], dict[str, int]]:
        requests, left = to_reissue(read_register(register), model, revocations, expires)
        return issuer.issue(requests), left

    # First without a lock, which would stay where nothing is written; what counts is what is decided under it.
    issued, left = decide()
    if issued:
        with locked(register):
            issued, left = decide()
            if issued:
                with _written(folder, issued):
                    _extend(register, issued)
    return issued, left


def to_reissue(
    rows: Sequence[RegisteredLicense], model: SealedModel, revocations: RevocationList, expires: datetime | None = None
) -> tuple[list[LicenseRequest], dict[str, int]]:
    """What licensees of a model need when its key was exchanged.

    Args:
        rows: of the register.
        model: the model with its new key.
        revocations: the publisher's list.
        expires: the last moment of the new licenses; None leaves each that of the old one.

    Returns:
        Requests for all licenses of older generations that hold, and how many there were of those that need none: by
        "revoked", "expired", "replaced" and "other" (another model, or of this generation already).
    """
    now, replaced = datetime.now(timezone.utc), {row.replaces for row in rows if row.replaces}
    left = {"revoked": 0, "expired": 0, "replaced": 0, "other": 0}
    requests = []
    for row in rows:
        last = _day(row.expires)
        if row.model != model.description.model_id or row.generation >= model.description.generation:
            left["other"] += 1
        elif row.number in revocations.revoked:
            left["revoked"] += 1
        elif row.number in replaced:
            left["replaced"] += 1
        elif last < now + _SHORTEST:
            left["expired"] += 1
        else:
            start = _day(row.not_before)
            requests.append(
                LicenseRequest(
                    row.licensee, expires or last, start if start > now else None, row.model, row.file, row.number
                )
            )
    return requests, left


def _write_folder(folder: Path, issued: Sequence[IssuedLicense], register_name: str | None = None) -> None:
    """Write licenses into a new folder, with a register of them if it is given a name."""
    with whole(folder, folder=True) as place:
        place.chmod(0o700)
        for each in issued:
            write_private(place / each.row.file, each.text)
        if register_name is not None:
            write_private(place / register_name, register_text(each.row for each in issued))
        # Another command may have taken the place meanwhile, and its licenses are nowhere else.
        check_free(folder, folder=True)


@contextmanager
def _written(folder: Path, issued: Sequence[IssuedLicense]) -> Iterator[None]:
    """Licenses in a new folder, which goes again if what follows fails."""
    _write_folder(folder, issued)
    try:
        yield
    except BaseException:
        # Licenses that are in no register could not be revoked by their numbers.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _extend(register: Path, issued: Sequence[IssuedLicense]) -> None:
    """Add lines to a register that is locked."""
    rows = _rows_of(register)
    with whole(register) as place:
        write_private(place, register_text([*rows, *(each.row for each in issued)]))


def _rows_of(register: Path) -> list[RegisteredLicense]:
    """What is in a register, which need not be there yet."""
    return read_register(register) if register.exists() else []


def _plain_name(path: Path, otherwise: str) -> str:
    """The name of a license's file, where every system could have it."""
    try:
        check_file_name(path.name)
    except ValueError:
        return otherwise
    return path.name


def _file_name(request: LicenseRequest, taken: set[str]) -> str:
    """The name asked for, or one made of the licensee's name that no other has."""
    if request.file:
        name = request.file if "." in request.file else request.file + LICENSE_SUFFIX
        if not request.replaces:
            if name.casefold() in taken or name.casefold() == REGISTER_NAME:
                raise ValueError(f"{request.licensee}: the file '{name}' is another license's. Nothing was written.")
            return name
        stem = name.removesuffix(LICENSE_SUFFIX)
    else:
        plain = unicodedata.normalize("NFKD", request.licensee).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_STEM] or "license"
    name, count = f"{stem}{LICENSE_SUFFIX}", 1
    while name.casefold() in taken:
        count += 1
        name = f"{stem}-{count}{LICENSE_SUFFIX}"
    return name


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
