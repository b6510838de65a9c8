"""Asks for known vulnerabilities of required packages, and tells one that was found from a service out of reach."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys

FOUND = 1
NOT_ASKED = 75
"""Exit code where not all could be asked: nothing is known to be wrong, and nothing to be right."""

_PATIENCE = 300
"""Seconds for all packages together."""

_OUT_OF_REACH = re.compile(r"connect|timed? ?out|max retries|server error|name resolution|proxy", re.IGNORECASE)


def judged(answer: str, errors: str) -> tuple[int, list[str]]:
    """An exit code and lines that say why, from what pip-audit printed on both streams.

    Args:
        answer: its report in JSON; empty where it came to none.
        errors: what it said else.
    """
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        is_out_of_reach = _OUT_OF_REACH.search(errors) is not None
        return (NOT_ASKED if is_out_of_reach else FOUND), ["pip-audit gave no report:", *errors.splitlines()[-5:]]
    found = [
        f"{each['name']} {each['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version'}"
        for each in packages
        for one in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    lines = found or ([] if skipped else [f"No vulnerability is known of {len(packages)} packages."])
    if skipped:
        lines.append(
            f"{len(skipped)} of {len(packages)} packages could not be looked up: {', '.join(skipped[:10])} ..."
        )
    return (FOUND if found else NOT_ASKED if skipped else 0), lines


def main() -> None:
    """Ask, and end with 0, ``FOUND`` or ``NOT_ASKED``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="+")
    parser.add_argument("--unreachable", choices=("fail", "pass"), default="fail")
    given = parser.parse_args()
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
    files = [word for name in given.requirements for word in ("-r", name)]
    try:
        ran = subprocess.run([*command, "--format", "json", *files], capture_output=True, text=True, timeout=_PATIENCE)
        code, lines = judged(ran.stdout, ran.stderr)
    except subprocess.TimeoutExpired:
        code, lines = judged("", f"pip-audit timed out after {_PATIENCE} seconds")
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    if code == NOT_ASKED:
        print("make audit: NOT AUDITED. The service cannot be reached from here; ask where it can.", file=sys.stderr)
        code = 0 if given.unreachable == "pass" else code
    sys.exit(code)


if __name__ == "__main__":
    main()
