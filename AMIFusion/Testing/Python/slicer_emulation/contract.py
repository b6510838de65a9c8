"""Runs the probes that were recorded inside a real Slicer and compares what they give here.

A contract is a JSON file: for each group, probes with their `code` and the `value` (a repr) or the exception
(`raises`) that Slicer gave. The probes of one group share one namespace.
"""

import ast
import contextlib
import io
import json
import re


def scrubbed(text):
    """Without addresses and file paths, which differ from run to run (as the recorder did)."""
    return re.sub(r"0x[0-9a-f]+|at: \S+|/(?:tmp|opt|root|home)\S*", "…", text)


def outcome(code, namespace):
    """What a probe gives: {"value": repr} or {"raises": class name}."""
    tree = ast.parse(code)
    expression = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        exec(compile(tree, "probe", "exec"), namespace)
        if expression is None:
            return {"value": None}
        value = eval(compile(ast.Expression(expression.value), "probe", "eval"), namespace)
        return {"value": scrubbed(repr(value))[:300]}
    except Exception as error:
        return {"raises": type(error).__name__}


def differences(path, user_interface):
    """(number of probes, {"group: code": (recorded, here)}) for a contract file."""
    with open(path, encoding="utf-8") as stream:
        contract = json.load(stream)
    found = {}
    for group, probes in contract.items():
        namespace = {"UI": user_interface}
        for probe in probes:
            recorded = {key: probe[key] for key in ("value", "raises") if key in probe}
            with contextlib.redirect_stderr(io.StringIO()):
                here = outcome(probe["code"], namespace)
            if here != recorded:
                found[f"{group}: {probe['code']}"] = (recorded, here)
    return sum(len(probes) for probes in contract.values()), found
