"""What became of a batch, for people and for spreadsheets: report.html and report.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from urllib.parse import quote

from AMIFusionLib.redaction import without_secrets
from AMIFusionLib.whole_output import whole

from .results import THUMBNAILS, ResultsFolder
from .work import Outcome

HTML, CSV = "report.html", "report.csv"
_COLUMNS = ("row", "name", "state", "mark", "licensee", "seconds", "problem", "reference", "moving", "result")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>AMIFusion batch</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: .4em .8em; text-align: left; vertical-align: top; }
img { display: block; max-width: 100%; background: #000; }
.marked { color: #8a4b00; font-weight: bold; }
.failed { color: #a00000; font-weight: bold; }
.path { color: #555; font-size: 85%; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>AMIFusion batch</h1>
<p>{{ rows|length }} pair{{ "s" if rows|length != 1 }}:
{% for state, count in counts.items() %}{{ count }} {{ state }}{{ ", " if not loop.last }}\
{% endfor %}. <span{% if marked %} class="marked"{% endif %}>Made without a valid license and marked: {{ marked }}.
</span> Not for diagnosis.</p>
<table>
<thead><tr><th>Row</th><th>Name</th><th>Reference, second volume, result: middle slice</th><th>State</th>\
<th>License</th><th>Seconds</th><th>Problem</th></tr></thead>
<tbody>
{% for each in rows -%}
<tr>
<td>{{ each.row }}</td>
<td>{{ each.name }}<div class="path">{{ each.reference }}<br>{{ each.moving }}</div></td>
<td>{% if each.picture %}<a href="{{ each.link }}"><img loading="lazy" src="{{ each.picture }}" \
alt="Reference, second volume and result of {{ each.name }}"></a>{% endif %}</td>
<td{% if each.state == "failed" %} class="failed"{% endif %}>{{ each.state }}</td>
<td{% if each.mark == "marked" %} class="marked"{% endif %}>\
{{ each.mark }}{% if each.licensee %}, licensed to {{ each.licensee }}{% endif %}</td>
<td>{{ each.seconds }}</td>
<td>{{ each.problem }}</td>
</tr>
{% endfor -%}
</tbody>
</table>
</body>
</html>
"""


def write_reports(results: ResultsFolder, outcomes: Sequence[Outcome]) -> None:
    """Write both reports; each appears whole or not at all.

    Args:
        results: where to.
        outcomes: of all pairs, in the order to show them.

    Raises:
        OSError: a file cannot be written.
    """
    rows = [_row(results, outcome) for outcome in outcomes]
    with whole(results.path / CSV) as place, place.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows([_cell(row[column]) for column in _COLUMNS] for row in rows)
    with whole(results.path / HTML) as place:
        place.write_text(_page(results, rows, outcomes), encoding="utf-8", errors="replace")


def _row(results: ResultsFolder, outcome: Outcome) -> dict[str, object]:
    pair, result = outcome.pair, results.result(outcome.pair.name)
    mark = ("marked" if outcome.is_marked else "clean") if outcome.is_done else ""
    return {
        "row": pair.row,
        # A cell of the table may hold something else by mistake.
        "name": without_secrets(pair.name),
        "state": outcome.state,
        "mark": mark,
        "licensee": outcome.licensee or "",
        "seconds": f"{outcome.seconds:.1f}" if outcome.seconds else "",
        "problem": without_secrets(" ".join(part for part in (outcome.problem, *outcome.warnings) if part)),
        "reference": without_secrets(pair.reference),
        "moving": without_secrets(pair.moving),
        "result": without_secrets(str(result)) if outcome.is_done else "",
    }


def _page(results: ResultsFolder, rows: list[dict[str, object]], outcomes: Sequence[Outcome]) -> str:
    from jinja2 import Environment

    counts: dict[str, int] = {}
    for row, outcome in zip(rows, outcomes):
        counts[outcome.state] = counts.get(outcome.state, 0) + 1
        thumbnail = results.thumbnail(outcome.pair.name)
        if outcome.is_done and thumbnail.exists():
            row["picture"] = f"{THUMBNAILS}/{quote(thumbnail.name)}"
            row["link"] = quote(results.result(outcome.pair.name).name)
    marked = sum(outcome.is_marked for outcome in outcomes)
    return Environment(autoescape=True).from_string(_PAGE).render(rows=rows, counts=counts, marked=marked)


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
