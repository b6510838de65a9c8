"""What a worker does: one pair, from files to a result in its place.

Nothing that passes through the scheduler holds a license: a task names its file, and only the worker reads it. No
exception leaves a task either, because Dask would log it and send it with all it holds.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from AMIFusionLib import __version__
from AMIFusionLib.memory_shortage import is_memory_shortage
from AMIFusionLib.whole_output import check_free, problem_of

from .contents import inputs_hash
from .pairs import Pair
from .results import Record, ResultsFolder

if TYPE_CHECKING:
    from AMIFusionLib.authorization.authorize import Authorization
    from AMIFusionLib.authorization.model_file import SealedModel
    from AMIFusionLib.authorization.revocation import RevocationList

FUSED, KEPT, FAILED, NOT_DONE = "fused", "kept", "failed", "not done"
"""What became of a pair; "kept" is a result of an earlier run that is still right."""

_ONE_AT_A_TIME = threading.Lock()
"""A process holds one pair at most, however many threads its worker has: two large ones would not fit."""


@dataclass(frozen=True)
class PairTask:
    """One pair and all that a worker must know.

    Attributes:
        pair: what to fuse.
        results: where to.
        model: path of the model file.
        license_file: path of the license, or None.
        device: as ``FusionOptions`` takes it.
        threads: for the network on a CPU; None leaves them as the worker has them.
        overwrite: whether to fuse what is done already, and to replace what this program did not write.
        with_traceback: whether a failure brings its traceback.
        revocations: the newest revocation list that is known where the batch was begun, or None.
        version: of the program that sends the task.
    """

    pair: Pair
    results: ResultsFolder
    model: str
    license_file: str | None
    device: str
    threads: int | None
    overwrite: bool
    with_traceback: bool
    revocations: RevocationList | None = None
    version: str = __version__


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Attributes:
        pair: the pair.
        state: one of ``FUSED``, ``KEPT``, ``FAILED``, ``NOT_DONE``.
        licensee: whose license made the result clean; None for a marked one or none.
        seconds: the work took, reading and writing included.
        problem: why it failed, a sentence; else empty.
        license_problem: why the license does not count; else empty.
        warnings: sentences about the pair.
        device: where it was fused.
        traceback: of a failure, if it was asked for.
    """

    pair: Pair
    state: str
    licensee: str | None = None
    seconds: float = 0.0
    problem: str = ""
    license_problem: str = ""
    warnings: tuple[str, ...] = ()
    device: str = ""
    traceback: str = ""

    @property
    def is_done(self) -> bool:
        """Whether there is a result."""
        return self.state in (FUSED, KEPT)

    @property
    def is_marked(self) -> bool:
        """Whether the result bears the mark of a fusion without a license."""
        return self.is_done and self.licensee is None


def fuse_pair(task: PairTask) -> Outcome:
    """Fuse a pair, or find that its result is still right. Never raises: a failure is an outcome."""
    with _ONE_AT_A_TIME:
        started = time.perf_counter()
        try:
            return _outcome(task, started)
        except Exception as error:
            trace = traceback.format_exc() if task.with_traceback else ""
            seconds = time.perf_counter() - started
            return Outcome(task.pair, FAILED, seconds=seconds, problem=_sentence(error), traceback=trace)


def _sentence(error: Exception) -> str:
    text = " ".join((problem_of(error) if isinstance(error, OSError) else str(error)).split())
    if is_memory_shortage(error):
        return "The memory did not suffice. Use fewer workers."
    if isinstance(error, ModuleNotFoundError):
        return (
            f"The worker lacks the package {error.name}. Install AMIFusion where it runs, in the folder of its source: "
            'pip install ".[batch]"'
        )
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f"Unexpected {type(error).__name__}: {text or 'no reason given'}. Run again with --traceback to see where."


def _outcome(task: PairTask, started: float) -> Outcome:
    from AMIFusionLib.authorization.authorize import authorize

    if task.version != __version__:
        raise ValueError(f"The worker has AMIFusion {__version__} instead of {task.version}. Install the same.")
    sealed = _model(task.model, Path(task.model).stat().st_mtime_ns)
    authorization = authorize(sealed, _license_text(task.license_file), task.revocations)
    licensee = authorization.license.licensee if authorization.license else None
    inputs, name = inputs_hash(task.pair, sealed.sha256), task.pair.name
    before = task.results.read_record(name)
    problem = authorization.problem
    if not task.overwrite:
        if before is not None and _is_right(task.results, name, before, inputs, licensee):
            # The seconds of when it was fused say more than those of looking.
            return Outcome(
                task.pair, KEPT, before.licensee, before.seconds, "", problem, before.warnings, before.device
            )
        _check_replaceable(task.results, name, before, licensee)
    safe = licensee or (before.licensee if before else None)
    device, warnings = _fuse(task, sealed, authorization, Record("", False, safe))
    seconds = time.perf_counter() - started
    files, size = task.results.measure(name)
    content = task.results.content_hash(name)
    record = Record(inputs, True, licensee, device, warnings, round(seconds, 3), files, size, content)
    task.results.write_record(name, record)
    return Outcome(task.pair, FUSED, licensee, seconds, "", problem, warnings, device)


def _fuse(
    task: PairTask, sealed: SealedModel, authorization: Authorization, provisional: Record
) -> tuple[str, tuple[str, ...]]:
    """Device and warnings."""
    import torch

    from .fusing import fuse_files

    if task.threads is not None:
        torch.set_num_threads(task.threads)

    def about_to_write() -> None:
        # Whoever dies between a result and its record leaves one that is known to be this program's.
        task.results.write_record(task.pair.name, provisional)

    return fuse_files(task.pair, task.results, sealed, authorization, task.device, about_to_write)


@lru_cache(maxsize=1)
def _model(path: str, changed: int) -> SealedModel:
    """The model, read once as long as its file does not change."""
    from AMIFusionLib.authorization.model_file import read_model

    return read_model(Path(path))


def _license_text(path: str | None) -> str | None:
    from AMIFusionLib.authorization.license import read_license_file

    return read_license_file(Path(path)) if path else None


def _is_right(results: ResultsFolder, name: str, record: Record, inputs: str, licensee: str | None) -> bool:
    """Whether a result is what would be made again, or the clean form of it."""
    is_wanted = record.inputs == inputs and (record.licensee is not None or licensee is None)
    return is_wanted and results.is_whole(name, record)


_CLEAN = "is a clean result, of other inputs or options or damaged,"


def _check_replaceable(results: ResultsFolder, name: str, record: Record | None, licensee: str | None) -> None:
    target = results.result(name)
    if not results.has_record(name):
        check_free(target, overwrite=False, folder=results.is_dicom)
        check_free(results.thumbnail(name), overwrite=False, folder=False)
    elif licensee is None and target.exists() and results.may_be_clean(name):
        what = "may be a clean result, whose record is damaged," if record is None else _CLEAN
        raise ValueError(f"{target} {what} and a marked one would take its place. Give --license, or add --overwrite.")
