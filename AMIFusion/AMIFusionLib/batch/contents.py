"""What a result depends on, as one hash: contents of files, options, model and version; not where the files lie."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from AMIFusionLib import __version__
from AMIFusionLib.input_files import check_plain
from AMIFusionLib.volumes.paths import source_path
from AMIFusionLib.volumes.voxel_files import voxel_files

from .pairs import Pair

_CHUNK = 1 << 20
_OPTIONS = (
    "plane", "window", "balance", "reference_window", "moving_window", "colors", "gray", "patient_id", "patient_name",
)  # fmt: skip


def inputs_hash(pair: Pair, model_sha256: str) -> str:
    """Hash all that decides what a fusion makes, beside the license.

    Args:
        pair: the pair.
        model_sha256: of the model file.

    Returns:
        SHA-256, hexadecimal.

    Raises:
        OSError: a source, or a file that it takes its voxels from, is missing or cannot be read.
        ValueError: a source's header has no end, or a source is a pipe or a device.
    """
    options = {name: value for name, value in asdict(pair).items() if name in _OPTIONS}
    total = hashlib.sha256(json.dumps([__version__, model_sha256, options], sort_keys=True).encode())
    for text in (pair.reference, pair.moving, pair.transform):
        # Each part has a known length, so that nothing can move from one into the next.
        total.update(_source_hash(text) if text else bytes(hashlib.sha256().digest_size))
    return total.hexdigest()


def files_hash(files: Iterable[Path], source: Path) -> str:
    """Hash files by their contents, and by their names in a folder.

    Args:
        files: what to hash, in this order.
        source: the folder that they lie in, or a file, of which only the ending counts.

    Returns:
        SHA-256, hexadecimal.

    Raises:
        OSError: one cannot be read.
    """
    total = hashlib.sha256()
    for file in files:
        name = os.path.relpath(file, source) if source.is_dir() else file.suffix
        total.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        total.update(_file_hash(file))
    return total.hexdigest()


def _source_hash(text: str) -> bytes:
    path, series = source_path(text)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    return hashlib.sha256(series.encode() + b"\0" + bytes.fromhex(files_hash(_files(path), path))).digest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
        return
    check_plain(path)
    yield path
    yield from voxel_files(path)


def _file_hash(path: Path) -> bytes:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.digest()
