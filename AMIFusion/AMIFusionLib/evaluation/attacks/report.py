"""Tables of what the attacks gave: CSV, JSON, and Markdown for the documents."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.whole_output import write_text

from .finetuning import ALLOWED_HEAD_START, COUNTED_FROM, RATES, missing_lengths
from .scoring import ALLOWED_GAIN, READABLE_SHARE
from .suite import ATTACKS, FINETUNING, FLOOR, LETTERS, LICENSED, UNLICENSED, VIEWS, AttackSuite, Row

MOST_PSNR, MOST_SSIM, LEAST_READ = 17.0, 0.6, 0.95
"""What an unlicensed result may have of the licensed one, and in what share of slices its mark must be read."""

LEAST_SEEN = 0.3
"""Correlation with the mark that each of the three ways of cutting a volume must show without a license."""


def write_reports(suite: AttackSuite, folder: Path) -> str:
    """Write ``attacks.csv``, ``finetuning.csv``, ``attacks.json`` and ``attacks.md`` of all that a suite has kept.

    Returns:
        The Markdown.
    """
    kept = suite.kept()
    setting = suite.setting()
    attacks = [row for letter, rows in kept.items() if letter not in (VIEWS, FINETUNING) for row in rows]
    write_text(folder / "attacks.csv", _csv(attacks))
    if kept.get(FINETUNING):
        write_text(folder / "finetuning.csv", _csv(kept[FINETUNING]))
    content = {"setting": setting, "passes": verdicts(kept), "rows": kept}
    write_text(folder / "attacks.json", json.dumps(content, indent=1) + "\n")
    text = markdown(setting, kept)
    write_text(folder / "attacks.md", text)
    return text


def verdicts(kept: Mapping[str, list[Row]]) -> dict[str, dict[str, bool]]:
    """Whether each attack is withstood, by letter and pair type."""
    return {
        letter: {kind: all(row["passes"] for row in rows if row["kind"] == kind) for kind in _kinds(rows)}
        for letter, rows in kept.items()
        if letter not in (FLOOR, VIEWS)
    }


def markdown(setting: Mapping[str, Any], kept: Mapping[str, list[Row]]) -> str:
    """All tables.

    Args:
        setting: as ``AttackSuite.setting`` gives it.
        kept: rows by letter; what is missing is said to be missing.
    """
    parts = [_introduction(setting), _summary(setting, kept)]
    if FLOOR in kept:
        parts += [_before(kept[FLOOR], kept.get(VIEWS, [])), _free(kept[FLOOR])]
    if any(letter in kept for letter in ATTACKS):
        parts.append(_attacks({letter: rows for letter, rows in kept.items() if letter in ATTACKS}))
    if FINETUNING in kept:
        parts.append(_finetuning(kept[FINETUNING]))
    return "\n\n".join(parts) + "\n"


def _introduction(setting: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{count} of {kind}" for kind, count in setting["reported"].items())
    tuning = ", ".join(f"{count} of {kind}" for kind, count in setting["tuning"].items())
    return (
        f"Written by `amifusion attack`. Model `{setting['model']}`, SHA-256 `{setting['sha256'][:16]}`; measured on "
        f"slices of validation cases ({kinds}), tuned on slices of training cases ({tuning}). PSNR and SSIM are to the "
        "licensed result, of 8-bit gray values. Every image, free alternatives included, is also given a last "
        "correction, fitted to licensed results of the training cases: brightness, contrast and the undoing of a blur. "
        "No attacker could fit it, so that attackers are overestimated. *Mark* is the correlation with the mark's "
        f"plane, *read* the share of slices in which an OCR engine finds one of {_words(setting['words'])} with a "
        "character accuracy of at least 0.8."
    )


def _summary(setting: Mapping[str, Any], kept: Mapping[str, list[Row]]) -> str:
    passed, lines = verdicts(kept), []
    shorter = {row["steps"] for row in kept.get(FINETUNING, [])}
    not_measured = missing_lengths(shorter, setting["effort"]["finetuning_steps"])
    for letter in (letter for letter in LETTERS if letter in passed):
        rows = kept[letter]
        if letter == FINETUNING:
            counted = [row for row in rows if row["steps"] >= COUNTED_FROM]
            if not counted:
                continue
            most = max(counted, key=lambda row: row["gain"])
            name = f"Fine-tuning{f', up to {max(shorter):,} steps' if not_measured else ''}"
            nearest = f"{most['gain']:+.1f} dB ({most['steps']} steps, {most['kind']})"
        else:
            most = max(rows, key=_gain)
            name, nearest = ATTACKS[letter][0], f"{_gain(most):+.1f} dB ({most['method']}, {most['kind']})"
        withstood = [_yes(passed[letter].get(kind, True)) for kind in _kinds(rows)]
        lines.append([letter, name, nearest, *withstood, _yes(all(passed[letter].values()))])
    kinds = _kinds(next(iter(kept.values())))
    missing = [letter for letter in LETTERS if letter not in passed]
    if FINETUNING in passed:
        missing += [f"{FINETUNING} at {steps:,} steps" for steps in not_measured]
    rule = (
        f"An attack is withstood where its result is at most {ALLOWED_GAIN} dB nearer to the licensed one than the "
        "best free alternative is, as it is and corrected alike, or the mark is still read in at least "
        f"{READABLE_SHARE:.0%} of the slices; fine-tuning where from {COUNTED_FROM} steps on it is at most "
        f"{ALLOWED_HEAD_START:g} dB ahead of training from scratch."
    )
    table = markdown_table(["", "Attack", "Most gained over free alternatives or from-scratch training",
                    *(f"withstood, {kind}" for kind in kinds), "withstood"], lines)  # fmt: skip
    left = f"\n\nNot run: {', '.join(missing)}." if missing else ""
    return f"### Summary\n\n{rule}\n\n{table}{left}"


def _before(rows: Sequence[Row], views: Sequence[Row]) -> str:
    lines = []
    for row in (row for row in rows if row["method"] == UNLICENSED):
        false_alarms = _find(rows, LICENSED, row["kind"])["readable"]
        enough = row["psnr"] <= MOST_PSNR and row["ssim"] <= MOST_SSIM and row["readable"] >= LEAST_READ
        seen = [view for view in views if view["kind"] == row["kind"]]
        enough = enough and all(view["visibility"] >= LEAST_SEEN for view in seen)
        across = [f"{view['visibility']:.2f} ({view['licensed_visibility']:.2f})" for view in seen]
        lines.append([row["kind"], f"{row['psnr']:.1f}", f"{row['ssim']:.2f}", f"{row['accuracy']:.2f}",
                      f"{row['readable']:.0%}",
                      f"{false_alarms:.0%}", *across, _yes(enough)])  # fmt: skip
    cuts = [f"mark, {view}" for view in dict.fromkeys(view["view"] for view in views)]
    head = ["Pair", "PSNR, dB", "SSIM", "character accuracy", "read", "read off licensed results", *cuts, "as wanted"]
    wanted = (
        f"Wanted: at most {MOST_PSNR:g} dB and an SSIM of {MOST_SSIM}, read in at least {LEAST_READ:.0%} of slices."
    )
    cut = (
        f" The mark's correlation, at least {LEAST_SEEN:g}, is given for three ways of cutting a volume; in brackets, "
        "with the licensed result."
    )
    said = wanted + (cut if views else "")
    return f"### Without a license, before any attack\n\n{said}\n\n{markdown_table(head, lines)}"


def _free(rows: Sequence[Row]) -> str:
    kinds = _kinds(rows)
    methods = [method for method in _methods(rows) if method != LICENSED]
    lines = [
        [method, *(_free_cell(_find(rows, method, kind)) for kind in kinds),
         f"{max(_find(rows, method, kind)['readable'] for kind in kinds):.0%}"] for method in methods
    ]  # fmt: skip
    head = ["", *(f"{kind}: PSNR, corrected (SSIM)" for kind in kinds), "read at most"]
    said = "*First source* is the one that the network takes first, because it is drawn finer."
    return f"### What anyone has without a license\n\n{said}\n\n{markdown_table(head, lines)}"


def _attacks(kept: Mapping[str, list[Row]]) -> str:
    kinds = _kinds(next(iter(kept.values())))
    lines = []
    for letter, rows in kept.items():
        for method in _methods(rows):
            own = [_find(rows, method, kind) for kind in kinds]
            lines.append([letter, method, *(_attack_cell(row) for row in own), f"{max(r['ssim'] for r in own):.2f}",
                          f"{max(r['visibility'] for r in own):.2f}", _yes(all(r["passes"] for r in own))])  # fmt: skip
    head = ["", "Method", *(f"{kind}: PSNR (gain), read" for kind in kinds), "SSIM", "mark", "withstood"]
    said = "The best that tuning found; SSIM and mark at their highest. *Gain* is over the best free alternative, dB."
    return f"### Attacks\n\n{said}\n\n{markdown_table(head, lines)}"


def _finetuning(rows: Sequence[Row]) -> str:
    lines = [
        [f"{row['steps']:,}", row["kind"], _repeats(row["tuned"]), _beginning(row), _repeats(row["scratch"]),
         f"{row['scratch_rate']:g}{', average' if row['scratch_even'] else ''}", f"{row['gain']:+.1f}",
         _yes(row["passes"])] for row in rows
    ]  # fmt: skip
    head = ["Steps", "Pair", "from the public values, dB", "its rate, mark, idle channels and first image",
            "from scratch, dB", "its rate and first image", "head start, dB", "withstood"]  # fmt: skip
    said = (
        "The same network trained for clean fusion, on the same crops in the same order, in which either source comes "
        "first as often; PSNR to licensed results: the mean of trainings with other new values and crops, in brackets "
        "the least and the most. The means decide. "
        f"Each start has its own peak learning rate, of {', '.join(f'{rate:g}' for rate in RATES)}, and its own way to "
        "begin: from the public values the network is given the mark or none, and channels that they leave at 0 stay "
        "so, or get new values; from either start it gives the sources' average at first, the last layer being 0, or "
        "what its values give. At every length one training of each way from scratch was tried, and about as many "
        "from the public values, one choice after the other. Of the two that came nearest on training cases, over all "
        "pair types, the one counts whose repeats came nearer there."
    )
    return f"### Fine-tuning (k)\n\n{said}\n\n{markdown_table(head, lines)}"


def _beginning(row: Row) -> str:
    idle = {"kept": "", "unheard": ", new, unheard at first", "heard": ", new"}[row["tuned_idle"]]
    first = ", average" if row["tuned_even"] else ""
    return f"{row['tuned_rate']:g}, {'mark' if row['tuned_marked'] else 'no mark'}{idle}{first}"


def _repeats(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _free_cell(row: Row) -> str:
    return f"{row['psnr']:.1f}, {row['corrected_psnr']:.1f} ({row['ssim']:.2f})"


def _attack_cell(row: Row) -> str:
    return f"{row['corrected_psnr']:.1f} ({_gain(row):+.1f}), {row['readable']:.0%}"


def _gain(row: Row) -> float:
    return float(max(row["gain"], row["corrected_gain"]))


def _find(rows: Iterable[Row], method: str, kind: str) -> Row:
    return next(row for row in rows if row["method"] == method and row["kind"] == kind)


def _methods(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in rows))


def _kinds(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["kind"] for row in rows))


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _words(words: Sequence[str]) -> str:
    return " and ".join(f'"{word}"' for word in words)


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.items()})
    return text.getvalue()
