"""What Slicer packages, and the two entries of the Extensions Index."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "AMIFusion"

ENTRY_SCHEMA = {
    # The rules of slicer-extension-catalog-entry-schema-v1.0.1.json.
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "category": {"type": "string"},
        "scm_url": {"type": "string"},
        "scm_revision": {"type": "string"},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "build_subdirectory": {"type": "string"},
        "enabled": {"type": "boolean"},
        "tier": {"enum": [1, 3, 5]},
    },
}


def cmake_list(name):
    """The entries of a list in AMIFusion/CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text()
    body = re.search(rf"set\({name}\s+(.*?)\)", text, re.DOTALL).group(1)
    return [entry.replace("${MODULE_NAME}", "AMIFusion") for entry in body.split()]


def files_below(folder, *suffixes):
    """Paths relative to the module, those of caches left out."""
    paths = (path for path in (MODULE / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(MODULE).as_posix() for path in paths if not suffixes or path.suffix in suffixes}


def extension_field(name):
    """A field of the top CMakeLists.txt."""
    return re.search(rf'set\(EXTENSION_{name} "([^"]*)"\)', (ROOT / "CMakeLists.txt").read_text()).group(1)


def s4ext():
    """The old index entry as a dictionary."""
    lines = (ROOT / "AMIFusion.s4ext").read_text().splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: (pair[1] if len(pair) > 1 else "") for pair in pairs}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Slicer's build takes every script for Python, so that other files of the library count as resources.
        ("MODULE_PYTHON_SCRIPTS", lambda: {"AMIFusion.py"} | files_below("AMIFusionLib", ".py")),
        ("MODULE_PYTHON_RESOURCES", lambda: files_below("Resources") | files_below("AMIFusionLib", ".json")),
    ],
)
def test_cmake_lists_what_is_there(name, expected):
    """A file that is not listed is not installed."""
    listed = cmake_list(name)
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == expected()


def test_library_holds_nothing_that_is_not_listed():
    assert files_below("AMIFusionLib") == files_below("AMIFusionLib", ".py", ".json")


def test_only_the_module_lies_in_its_folder():
    """Slicer takes every Python file directly in a module's folder for a module."""
    assert [path.name for path in MODULE.glob("*.py")] == ["AMIFusion.py"]


def test_extension_and_entries_agree():
    entry, old = json.loads((ROOT / "AMIFusion.json").read_text()), s4ext()
    jsonschema.validate(entry, ENTRY_SCHEMA)
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert (entry["category"], entry["tier"]) == ("Filtering", 1)
    assert entry["category"] == extension_field("CATEGORY") == old["category"]
    assert entry["build_dependencies"] == [extension_field("DEPENDS")] == [old["depends"]] == ["PyTorch"]
    assert entry["scm_url"] == old["scmurl"] and entry["scm_revision"] == old["scmrevision"]
    for field, key in (("HOMEPAGE", "homepage"), ("ICONURL", "iconurl"), ("DESCRIPTION", "description"),
                       ("CONTRIBUTORS", "contributors"), ("SCREENSHOTURLS", "screenshoturls")):  # fmt: skip
        assert extension_field(field) == old[key]
    assert re.search(r"^project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1) == "AMIFusion"


def test_pictures_that_the_index_shows_exist():
    for url in (extension_field("ICONURL"), extension_field("SCREENSHOTURLS")):
        path = ROOT / url.split("/main/")[1]
        assert path.suffix in (".png", ".jpg") and path.is_file(), path


def test_icon_is_128_pixels():
    content = (MODULE / "Resources" / "Icons" / "AMIFusion.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", content[16:24]) == (128, 128)


def test_text_files_have_unix_line_ends():
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed and not [line for line in listed.splitlines() if "i/crlf" in line or "i/mixed" in line]


def test_license_is_apache_2():
    assert "Apache License" in (ROOT / "LICENSE").read_text() and "Version 2.0" in (ROOT / "LICENSE").read_text()


def test_readme_shows_the_evaluation_license_that_ships():
    shipped = (MODULE / "Resources" / "Models" / "amifusion-research-evaluation.license").read_text()
    assert shipped[shipped.index("eyJ") :].strip() in (ROOT / "README.md").read_text()


COMMON = (
    "array_archive", "arrays", "input_files", "license_store", "memory_shortage", "translation", "value_range",
    "whole_output",
)  # fmt: skip
"""What every layer may use."""


def test_library_layers_import_one_way():
    """fusion never sees slicer or vtk, volumes never torch, and none imports another but volumes dicom.

    Beside themselves they know only files of the library that know none of them and load nothing heavy.
    """
    layers = {
        "fusion": ("slicer", "vtk"),
        "volumes": ("torch",),
        "registration": ("torch", "slicer", "vtk"),
        "authorization": ("torch", "slicer", "vtk"),
        "dicom": ("torch", "slicer", "vtk"),
    }
    for layer, forbidden in layers.items():
        below = {"volumes": "dicom"}.get(layer)
        others = [f"AMIFusionLib.{other}" for other in layers if other not in (layer, below)]
        for path in (MODULE / "AMIFusionLib" / layer).glob("*.py"):
            imports = re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE)
            wrong = [name for name in imports if name.split(".")[0] in forbidden or name.startswith(tuple(others))]
            outside = [re.sub(r"^(\.\.|AMIFusionLib\.)", "", name) for name in imports
                       if name.startswith(("..", "AMIFusionLib."))]  # fmt: skip
            wrong += [name for name in outside if name.split(".")[0] not in {*COMMON, layer, below}]
            assert not wrong, (path.name, wrong)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked():
    """{package: version} of what the tests run with."""
    lines = "".join((ROOT / "requirements" / name).read_text() for name in ("run.txt", "test.txt")).splitlines()
    return dict(
        line.split(";")[0].lower().replace("_", "-").split("==") for line in map(str.strip, lines) if "==" in line
    )


def test_what_pip_installs_is_what_the_tests_run_with():
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(locked()[wanted.name.lower()]), text
    base = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert {"typer", "slicer-core", "SimpleITK", "pydicom", "pillow", "torch"} <= base


def hints():
    """(file, extras) of each advice to install this program."""
    files = [*(MODULE / "AMIFusionLib").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"amifusion\[|pip install '?amifusion", text), f"{path} names a package of an index"
        for extras in re.findall(r'pip install "?\.(?:\[([\w,]*)\]"?)?', text):
            yield path.name, set(filter(None, extras.split(",")))


def test_advice_to_install_names_extras_that_there_are():
    found = list(hints())
    assert {name for name, _ in found} >= {"failures.py", "cluster.py", "work.py", "command-line.md"}
    for name, extras in found:
        assert extras <= PROJECT["optional-dependencies"].keys(), name
    told = set().union(*(extras for name, extras in found if name == "failures.py"))
    assert told == PROJECT["optional-dependencies"].keys()
