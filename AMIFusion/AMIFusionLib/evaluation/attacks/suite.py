"""Runs the attacks against a model and keeps what each gave, so that an interrupted run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation.eight_bit import eight_bit
from AMIFusionLib.evaluation.mark_reader import MarkReader
from AMIFusionLib.training.bundled_stages import attackers_stage
from AMIFusionLib.training.configuration import COARSE_BINS, LicensedWeights
from AMIFusionLib.whole_output import write_text

from .ablation import ablation_attempts
from .attempt import Attempt
from .averaging import averaging_attempts
from .bench import Bench
from .conditioning import conditioning_attempts
from .distillation import distillation_attempts
from .filling import filling_attempts
from .filters import filter_attempts
from .finetuning import head_starts, missing_lengths, search_fingerprint
from .finetuning_trainings import Trainings
from .keys import key_attempts, patch_attempts
from .removal import removal_attempts
from .scoring import Scorer
from .templates import template_attempts
from .views import mark_views

FLOOR, VIEWS, CONDITIONING, FINETUNING = "free", "views", "c", "k"
LICENSED, UNLICENSED = "Licensed result", "Unlicensed result"

ATTACKS: dict[str, tuple[str, Callable[[Bench, Path], Iterable[Attempt]]]] = {
    "a": ("Wrong, near and random keys", lambda bench, _: key_attempts(bench)),
    "b": ("Patched checks", lambda bench, _: patch_attempts(bench)),
    CONDITIONING: ("Search over the conditioning input", lambda bench, _: conditioning_attempts(bench)),
    "d": ("Ablation of public tensors", lambda bench, _: ablation_attempts(bench)),
    "e": ("Template and blend inversion", lambda bench, _: template_attempts(bench)),
    "f": ("Averaging over outputs", lambda bench, _: averaging_attempts(bench)),
    "g": ("Inpainting and filters", lambda bench, _: filter_attempts(bench)),
    "h": ("Filling the marked pixels", lambda bench, _: filling_attempts(bench)),
    "i": ("Removal network", removal_attempts),
    "j": ("Distillation", distillation_attempts),
}
"""By letter: a name for the tables, and what runs it in a folder for trainings. Fine-tuning, k, is measured apart."""

LETTERS = (*ATTACKS, FINETUNING)

Row = dict[str, Any]
"""One line of the tables: attack, method, kind, settings and all figures."""


@dataclass(frozen=True)
class Progress:
    """One attack that is done: its letter, its rows, and whether they were there already."""

    letter: str
    rows: list[Row]
    seconds: float
    was_kept: bool

    @property
    def failed(self) -> int:
        """How many results are not withstood; of what is free, none."""
        return sum(row.get("passes") is False for row in self.rows)


class AttackSuite:
    """Runs attacks into a folder.

    Args:
        bench: the model and its slices.
        words: what the mark says, for the reader.
        folder: where results, pictures and trainings are kept.
        reader: reads marks; the default is an OCR engine.
        processes: that train for attack k.
    """

    def __init__(
        self, bench: Bench, words: Sequence[str], folder: Path, reader: MarkReader | None = None, processes: int = 1
    ) -> None:
        self._bench = bench
        self._words = list(words)
        self._reader = reader or MarkReader(words)
        self._folder = folder
        self._processes = processes
        self.fingerprint = _fingerprint(bench, words)
        self._scorer: Scorer | None = None

    def run(self, letters: Sequence[str]) -> Iterator[Progress]:
        """Run attacks in order, before them what anyone has for free and how visible the mark is.

        Raises:
            ValueError: a letter that is no attack.
        """
        check_letters(letters)
        for letter in (FLOOR, VIEWS, *letters):
            started, kept = time.monotonic(), self._kept(letter)
            if kept is not None and self._is_complete(letter, kept):
                yield Progress(letter, kept, time.monotonic() - started, was_kept=True)
            else:
                rows = self._finetuned() if letter == FINETUNING else self._keep(letter, self._rows(letter))
                yield Progress(letter, rows, time.monotonic() - started, was_kept=False)

    def kept(self) -> dict[str, list[Row]]:
        """The rows of all that was run on this model with this effort, by letter, free alternatives first."""
        found = {letter: self._kept(letter) for letter in (FLOOR, VIEWS, *LETTERS)}
        return {letter: rows for letter, rows in found.items() if rows is not None}

    def setting(self) -> dict[str, Any]:
        """On what the attacks were run, for the report."""
        counts = {name: {kind: len(part[kind].first) for kind in self._bench.kinds}
                  for name, part in (("reported", self._bench.reported), ("tuning", self._bench.tuning))}  # fmt: skip
        model = self._bench.model
        return {"model": model.description.model_id, "sha256": model.sha256, "words": self._words, **counts,
                "effort": dataclasses.asdict(self._bench.effort)}  # fmt: skip

    def _rows(self, letter: str) -> list[Row]:
        if letter == VIEWS:
            return list(mark_views(self._bench))
        attempts = list(self._free() if letter == FLOOR else ATTACKS[letter][1](self._bench, self.trainings))
        self._draw(letter, attempts)
        rows = [
            {"attack": letter, "method": attempt.method, "kind": attempt.kind, "settings": attempt.settings,
             **dataclasses.asdict(self.scorer.score(attempt))} for attempt in attempts
        ]  # fmt: skip
        # There is nothing to withstand in what is free.
        return [{**row, "passes": None} for row in rows] if letter == FLOOR else rows

    def _finetuned(self) -> list[Row]:
        """The rows of attack k, kept after every length: the longest trainings take most of the time by far."""
        weights, rows, kept = _weights_fingerprint(self._bench), [], self._kept(FINETUNING) or []
        figures = self._path(FINETUNING).with_name(f"trainings-{weights}.csv")
        with Trainings(self._bench, self.trainings / weights, figures, self._processes) as trainings:
            for start in head_starts(self._bench, trainings):
                rows.append(
                    {"attack": FINETUNING, **dataclasses.asdict(start), "gain": start.gain, "passes": start.passes}
                )
                # What is told again on the way to the lengths that are missing leaves the others in place.
                if start.kind == self._bench.kinds[-1] and len(rows) >= len(kept):
                    kept = self._keep(FINETUNING, rows)
        return kept

    def _is_complete(self, letter: str, rows: list[Row]) -> bool:
        return letter != FINETUNING or not missing_lengths(
            (row["steps"] for row in rows), self._bench.effort.finetuning_steps
        )

    @property
    def trainings(self) -> Path:
        """Where the attackers' trainings on what is public are kept."""
        return self._folder / "trainings" / _public_fingerprint(self._bench)

    @property
    def scorer(self) -> Scorer:
        """Made when first needed: it measures the free alternatives."""
        if self._scorer is None:
            self._scorer = Scorer(self._bench, self._reader)
        return self._scorer

    def _free(self) -> Iterator[Attempt]:
        """The licensed result itself, for the reader's false alarms; the unlicensed one; the free alternatives."""
        for kind in self._bench.kinds:
            slices = self._bench.reported[kind]
            for name, images in ((LICENSED, slices.licensed), (UNLICENSED, slices.unlicensed)):
                yield Attempt(name, kind, {}, images, images)
            yield from self.scorer.floors[kind]

    def _kept(self, letter: str) -> list[Row] | None:
        path = self._path(letter)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def _keep(self, letter: str, rows: list[Row]) -> list[Row]:
        """Write rows; gives them as they are read again."""
        text = json.dumps(rows, indent=1, default=_plain) + "\n"
        write_text(self._path(letter), text)
        again: list[Row] = json.loads(text)
        return again

    def _path(self, letter: str) -> Path:
        aims_at_weights = letter in (CONDITIONING, FINETUNING)
        name = f"{letter}-{_weights_fingerprint(self._bench)}" if aims_at_weights else letter
        name += f"-{search_fingerprint()}" if letter == FINETUNING else ""
        return self._folder / "results" / self.fingerprint / f"{name}.json"

    def _draw(self, letter: str, attempts: list[Attempt]) -> None:
        """A picture to judge attempts by: a row for each method, two slices of each pair type."""
        rows: dict[str, list[Array]] = {}
        for attempt in attempts:
            shown = attempt.corrected[[0, len(attempt.corrected) // 2]]
            margin = ((0, 0), *((attempt.margin,) * 2,) * 2)
            rows.setdefault(attempt.method, []).extend(np.pad(shown, margin))
        picture = Image.fromarray(np.concatenate([eight_bit(np.concatenate(row, axis=1)) for row in rows.values()]))
        path = self._folder / "pictures" / f"{letter}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def check_letters(letters: Sequence[str]) -> None:
    """Refuse letters that are no attack.

    Raises:
        ValueError: there is one.
    """
    unknown = [letter for letter in letters if letter not in LETTERS]
    if unknown:
        raise ValueError(f"There is no attack '{unknown[0]}'. Choose from {', '.join(LETTERS)}.")


def _fingerprint(bench: Bench, words: Sequence[str]) -> str:
    """Names what results belong to: model, effort, words and slices."""
    digest = hashlib.sha256(json.dumps([bench.model.sha256, dataclasses.asdict(bench.effort), list(words)]).encode())
    for kind in bench.kinds:
        for slices in (bench.tuning[kind], bench.reported[kind]):
            digest.update(eight_bit(slices.first).tobytes() + eight_bit(slices.second).tobytes())
    return digest.hexdigest()[:16]


def _public_fingerprint(bench: Bench) -> str:
    """Names what attackers' trainings belong to: the public parameters, the pairs, how long each takes.

    Other sealed parameters leave it as it is.
    """
    effort = bench.effort
    steps = [effort.removal_steps, effort.student_steps, *effort.finetuning_steps]
    digest = hashlib.sha256(json.dumps(steps).encode())
    for name, value in sorted(bench.model.public_parameters.items()):
        digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    for pair in bench.training_pairs:
        digest.update(eight_bit(pair.first).tobytes() + eight_bit(pair.second).tobytes())
    return digest.hexdigest()[:16]


def _weights_fingerprint(bench: Bench) -> str:
    """Names the weights of the objective that attackers aim at, by pair type, and its histogram; what a later version
    adds counts where it is set."""
    usual, stage = dataclasses.asdict(LicensedWeights()), attackers_stage()
    weights = [dataclasses.asdict(stage.weights_of(kind)) for kind in bench.kinds]
    changed = [{name: value for name, value in each.items() if value != usual[name]} for each in weights]
    if stage.information_bins != COARSE_BINS:
        changed.append({"information_bins": stage.information_bins})
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """numpy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")
