"""Markdown that programs write: tables, and their place in documents whose text is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

TABLES_BEGIN, TABLES_END = "<!-- tables: begin -->", "<!-- tables: end -->"
"""What a program's tables stand between in a document."""


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]], right_aligned: bool = False) -> str:
    """A table.

    Args:
        heads: of the columns.
        rows: as many cells each.
        right_aligned: whether all columns but the first are, as figures are read best.
    """
    rule = "---:" if right_aligned else "---"
    lines = [heads, ["---", *(rule for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between a document's markers, at once or not at all.

    Raises:
        ValueError: the document has no such markers.
        OSError: it cannot be read or written.
    """
    before, _, after = split_at_markers(path)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(f"{before}{TABLES_BEGIN}\n\n{text}\n{TABLES_END}{after}", encoding="utf-8")
    temporary.replace(path)


def split_at_markers(path: Path) -> tuple[str, str, str]:
    """What stands before, between and after a document's markers.

    Raises:
        ValueError: the document has no such markers.
        OSError: it cannot be read.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(TABLES_BEGIN)
    between, end, after = rest.partition(TABLES_END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for tables: it needs the lines {TABLES_BEGIN} and {TABLES_END}.")
    return before, between, after
