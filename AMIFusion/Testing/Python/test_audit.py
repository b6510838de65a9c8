"""The audit tells a vulnerability that was found from a service that nobody could ask."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / ".ci" / "audit.py"
specification = importlib.util.spec_from_file_location("audit", SCRIPT)
audit = importlib.util.module_from_spec(specification)
specification.loader.exec_module(audit)

FREE = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1)"}
BAD = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([FREE], 0, "No vulnerability is known of 1"), ([FREE, UNKNOWN], audit.NOT_ASKED, "1 of 2 packages"),
        ([FREE, BAD], audit.FOUND, "c 1: PYSEC-1, mended in 2"), ([UNKNOWN, BAD], audit.FOUND, "PYSEC-1"),
    ],
)  # fmt: skip
def test_reports(packages, code, said):
    found, lines = audit.judged(json.dumps({"dependencies": packages, "fixes": []}), "")
    assert found == code and said in "\n".join(lines)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ("ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed", audit.NOT_ASKED),
        ("requests.exceptions.ConnectionError: Max retries exceeded with url", audit.NOT_ASKED),
        ("ERROR:pip_audit._cli:requirement file requirements/none.txt cannot be parsed", audit.FOUND),
    ],
)
def test_no_report(errors, code):
    found, lines = audit.judged("", errors)
    assert found == code and errors in lines
