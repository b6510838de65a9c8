"""Options that name a publisher's keys: a folder that ``amifusion publisher new`` made, or single files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .failures import WrongUseError
from .options import secret_file, secret_folder

if TYPE_CHECKING:
    from AMIFusionLib.desk.publisher import Publisher

T = TypeVar("T")

Keys = Annotated[
    Path | None,
    secret_folder("--keys", envvar="AMIFUSION_KEYS", help_text="Folder that amifusion publisher new made."),
]
SigningKey = Annotated[
    Path | None, secret_file(help_text="The publisher's Ed25519 private key, PEM; by default that in --keys.")
]
MasterKey = Annotated[
    Path | None, secret_file(help_text="The publisher's master key, 64 hex digits; by default that in --keys.")
]


def publisher_of(keys: Path | None) -> Publisher | None:
    """The publisher of a folder, if one was named.

    Raises:
        ValueError: not a publisher's folder.
        OSError: it cannot be read.
    """
    from AMIFusionLib.desk.publisher import read_publisher

    return read_publisher(keys) if keys else None


def chosen(given: T | None, fallback: T | None, option: str) -> T:
    """What was given, or what the publisher's folder has.

    Raises:
        typer.BadParameter: neither.
    """
    found = given if given is not None else fallback
    if found is None:
        raise typer.BadParameter(f"Give --keys or {option}.")
    return found


def check_places(
    written: Mapping[str, Path | None], read: Iterable[Path | None], keys: Path | None, *key_files: Path | None
) -> None:
    """Refuse to write over or among a publisher's keys, which nobody can make again, over what a command reads, or two
    things to one place, also where files may be replaced.

    Args:
        written: what to write or add to, by what the user shall choose another of, "--out" for example.
        read: what the command reads, or None.
        keys: the publisher's folder, or None.
        key_files: single keys that were named instead, or None.

    Raises:
        WrongUseError: with what to do.
    """
    kept, taken = _resolved(key_files), _resolved(read)
    for name, target in written.items():
        if target is None:
            continue
        place = target.resolve()
        if place in kept or (keys is not None and keys.resolve() in (place, *place.parents)):
            raise WrongUseError(f"{target} is a key or lies in the folder of the keys. Choose another {name}.")
        if place in taken:
            raise WrongUseError(f"{target} is named as something else too. Choose another {name}.")
        taken.append(place)


def _resolved(paths: Iterable[Path | None]) -> list[Path]:
    return [path.resolve() for path in paths if path is not None]
