"""An evaluation's tables in Markdown, made from the dictionary of ``summary.summarize`` alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .alternatives import ALTERNATIVES
from .markdown import markdown_table
from .metrics import RANKED
from .subject import LICENSED, UNLICENSED

_BESIDE = ("Qmin", "Nabf")
_DECIMALS = {"EN": 2, "SD": 1, "SF": 1, "Nabf": 4}
_NOTHING = "–"


def tables(summary: Mapping[str, Any], level: int = 2) -> str:
    """All tables.

    Args:
        summary: of ``summary.summarize``, as it is or from its JSON file.
        level: of their headings.
    """
    parts = [_subject_lines(summary), _places(summary)]
    parts += [_pair_table(kind, pair, summary["model"]) for kind, pair in summary["pairs"].items()]
    parts += [_colors(summary), _lesions(summary), _distances(summary)]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text.replace("\n## ", f"\n{'#' * level} ")


def headline(kind: str, pair: Mapping[str, Any], judged: str) -> str:
    """One line on a pair type: place and mean rank, the ranked measures and their ranks."""
    means, ranks = pair["means"][judged], pair["ranks"][judged]
    measures = "  ".join(f"{name} {_number(name, means[name])} ({ranks[name]})" for name in RANKED)
    beside = "  ".join(f"{name} {_number(name, means[name])}" for name in _BESIDE)
    best, rank = next(each for each in pair["mean_rank"].items() if each[0] != judged)
    return (
        f"{kind}: place {_place(pair)}, mean rank {pair['mean_rank'][judged]:.2f} "
        f"(best other: {best} {rank:.2f})\n  {measures}  {beside}"
    )


def _subject_lines(summary: Mapping[str, Any]) -> str:
    model, data = summary["model"], summary["data"]
    result = "licensed result" if model["judged"] == LICENSED else "unlicensed, marked result (no license was given)"
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    shown = ", ".join(f"{pair['slices']} slices of {kind} {_cases(pair)}" for kind, pair in summary["pairs"].items())
    return (
        f"- Model: {model['title']} (`{model['id']}`, SHA-256 `{model['sha256'][:16]}`), {result}.\n"
        f"- Data: {data['name']}: {shown}.\n- Made with {versions}."
    )


def _cases(pair: Mapping[str, Any]) -> str:
    return f"({', '.join(pair['cases'])})"


def _places(summary: Mapping[str, Any]) -> str:
    judged, rows = summary["model"]["judged"], []
    for kind, pair in summary["pairs"].items():
        others = {method: rank for method, rank in pair["mean_rank"].items() if method != judged}
        best = min(others, key=others.__getitem__)
        cells = [
            kind,
            str(pair["slices"]),
            f"{pair['mean_rank'][judged]:.2f}",
            _place(pair),
            f"{best} {others[best]:.2f}",
        ]
        for name in ("Qabf", "Qmin"):
            cells += [_number(name, pair["means"][judged][name]), _best_other(pair, judged, name)]
        rows.append(cells)
    heads = ["Pair type", "Slices", "Mean rank", "Place", "Best other", "Qabf", "Best other", "Qmin", "Best other"]
    return "## Places\n\n" + markdown_table(heads, rows, right_aligned=True)


def _place(pair: Mapping[str, Any]) -> str:
    shared = " (shared)" if pair["shares_place"] else ""
    return f"{pair['place']} of {len(pair['mean_rank'])}{shared}"


def _best_other(pair: Mapping[str, Any], judged: str, name: str) -> str:
    others = {
        method: pair["means"][method].get(name)
        for method in pair["mean_rank"]
        if method != judged and pair["means"][method].get(name) is not None
    }
    best = max(others, key=others.__getitem__, default=None)
    return _NOTHING if best is None else f"{best} {_number(name, others[best])}"


def _pair_table(kind: str, pair: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    rows = []
    for method, mean_rank in pair["mean_rank"].items():
        means, ranks = pair["means"][method], pair["ranks"][method]
        is_judged = method == model["judged"]
        cells = [_number(name, means.get(name)) + (f" ({ranks[name]})" if is_judged else "") for name in RANKED]
        cells += [f"{mean_rank:.2f}", *(_number(name, means.get(name)) for name in _BESIDE)]
        shown = [_shown_method(method, model), *cells]
        rows.append([f"**{cell}**" for cell in shown] if is_judged else shown)
    text = f"## {kind}\n\n" + markdown_table(["Method", *RANKED, "Mean rank", *_BESIDE], rows, right_aligned=True)
    difference = pair["difference_to_recorded"]
    if difference is not None:
        text += (
            "\n\nThe free alternatives were measured again; from their recorded measures these are at most "
            f"{100 * difference:.2g}% away."
        )
    return text


def _shown_method(method: str, model: Mapping[str, Any]) -> str:
    return f"{model['title']}, {method}" if method in (LICENSED, UNLICENSED) else method


def _colors(summary: Mapping[str, Any]) -> str:
    kinds = {
        kind: pair["hue_error"]
        for kind, pair in summary["pairs"].items()
        if any(value is not None for value in pair["hue_error"].values())
    }
    if not kinds:
        return ""
    return "## Hue error in degrees\n\n" + _by_method(kinds.keys(), kinds.values(), summary["model"], 2)


def _lesions(summary: Mapping[str, Any]) -> str:
    columns = {
        f"{pair.removeprefix('phantom ')}: {lesion.replace('_', ' ')}": kept
        for pair, lesions in summary["phantom"].items()
        for lesion, kept in lesions.items()
    }
    if not columns:
        return ""
    heading = "## Contrast-to-noise kept of the phantom's lesions\n\n"
    return heading + _by_method(columns.keys(), columns.values(), summary["model"], 2)


def _distances(summary: Mapping[str, Any]) -> str:
    pairs = {kind: pair["to_licensed"] for kind, pair in summary["pairs"].items() if pair["to_licensed"]}
    if not pairs:
        return ""
    heads, columns, lines = [], [], []
    for kind, distances in pairs.items():
        heads += [f"{kind}: PSNR", "SSIM"]
        columns += [distances["psnr"], distances["ssim"]]
        best = distances["best_free"]
        lines.append(
            f"{kind}: {best['psnr']} with {_fixed(distances['psnr'][best['psnr']], 1)} dB, {best['ssim']} with an SSIM "
            f"of {_fixed(distances['ssim'][best['ssim']], 3)}"
        )
    text = "## Nearness to the licensed result\n\n" + _by_method(heads, columns, summary["model"], 3, without=LICENSED)
    return text + f"\n\nThe best free alternative, {'; '.join(lines)}."


def _by_method(
    heads: Iterable[str],
    columns: Iterable[Mapping[str, Any]],
    model: Mapping[str, Any],
    decimals: int,
    without: str | None = None,
) -> str:
    """A table with a row for each of the model's results and each alternative."""
    columns, heads, rows = list(columns), list(heads), []
    for method in (LICENSED, UNLICENSED, *ALTERNATIVES):
        if method != without and any(method in column for column in columns):
            places = [1 if head.endswith("PSNR") else decimals for head in heads]
            cells = [_fixed(column.get(method), count) for column, count in zip(columns, places)]
            rows.append([_shown_method(method, model), *cells])
    return markdown_table(["Method", *heads], rows, right_aligned=True)


def _number(name: str, value: float | None) -> str:
    return _fixed(value, _DECIMALS.get(name, 3))


def _fixed(value: float | None, decimals: int) -> str:
    return _NOTHING if value is None else f"{value:.{decimals}f}"
