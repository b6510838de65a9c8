"""The pages do what they say: examples run, links and pictures exist, and the diagram shows the real imports."""

import ast
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer_emulation
import vtk
from AMIFusionLib import __version__
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH
from AMIFusionTutorialTest import BONE, BRAIN
from dicom_files import SeriesMaker
from small_volumes import ball

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
LIBRARY = ROOT / "AMIFusion" / "AMIFusionLib"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
ON_THEIR_OWN = ("Without a window", "All patients of the DICOM database")
"""Sections whose examples do not run after the others."""

TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
SCRIPTING = (DOCS / "scripting.md").read_text(encoding="utf-8")


# Examples


def code_blocks(section="", language="python"):
    """The page's examples, in order, of a section or of all that run in the console."""
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", SCRIPTING, re.DOTALL | re.MULTILINE):
        if title == section or (
            not section and title not in ("Without a window", "All patients of the DICOM database")
        ):
            yield from re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def console(slicer, module, tmp_path, monkeypatch):
    """Runs examples one after the other as the Python console does, and gives its variables."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(EVALUATION_LICENSE_PATH, "my.license")
    names = {"slicer": slicer, "getNode": slicer.util.getNode, "__name__": "__main__"}

    def run(code):
        exec(compile(code, "scripting.md", "exec"), names)
        return names

    return run


def authorized(node):
    """What a result says of its license."""
    return node.GetAttribute("AMIFusion.Authorized")


def test_console_examples_run(console, scene, quick_phantom, capsys):
    blocks = list(code_blocks())
    assert len(blocks) == 9
    for code in blocks[:7]:
        names = console(code)
    assert [authorized(names[name]) for name in ("marked", "fused", "colored")] == ["false", "true", "true"]
    assert names["colored"].IsA("vtkMRMLVectorVolumeNode")
    assert (names["colored"].GetAttribute("AMIFusion.Plane"), names["colored"].GetAttribute("AMIFusion.Balance")) == (
        "acquisition",
        "50",
    )
    told = capsys.readouterr().out
    assert "The license holds." in told and "AMIFusion.ModelSHA256 = " in told and "is selected twice" in told
    assert re.search(r"^5\d%$|^6\d%$", told, re.MULTILINE) and "100%" not in told
    away = vtk.vtkMatrix4x4()
    names["ct"].GetIJKToRASMatrix(away)
    away.SetElement(0, 3, away.GetElement(0, 3) + 25)
    names["ct"].SetIJKToRASMatrix(away)
    names = console(blocks[7])
    assert not names["check"].is_ok and names["transform"] is not None
    assert names["ct"].GetParentTransformNode() is None
    assert names["check"].sentence in capsys.readouterr().out


def test_all_pairs_of_a_scene_are_fused(console, scene, add_volume, capsys):
    array = np.random.default_rng(0).integers(0, 1000, (4, 40, 40)).astype(np.int16)
    for name in ("MR T1", "MR T2", "CT", "FDG PET", "CT far away"):
        shift = np.eye(4)
        shift[0, 3] = 1000 if "far" in name else 0
        add_volume(array, name, shift, (0, 1000))
    console('logic = slicer.util.getModuleLogic("AMIFusion")\nlicense = logic.evaluationLicense()')
    (code,) = code_blocks("All pairs of a scene")
    console(code)
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["MR T1 + CT fused", "MR T1 + FDG PET fused"]
    assert told[2].startswith("CT far away: ") and len(told) == 3


@pytest.mark.parametrize(
    ("files", "license_text", "code"), [(True, None, 0), (True, "none", 3), (False, None, 1)], ids=["0", "3", "1"]
)
def test_script_without_a_window_runs(console, scene, add_volume, monkeypatch, files, license_text, code, capsys):
    if license_text:
        Path("my.license").write_text(license_text)
    if files:
        for name in ("mr", "ct"):
            array = np.random.default_rng(len(name)).integers(0, 1000, (3, 40, 40)).astype(np.int16)
            assert sys.modules["slicer"].util.saveNode(add_volume(array, name), f"{name}.nrrd", {})
    (script,), (line,) = code_blocks("Without a window"), code_blocks("Without a window", "sh")
    words = shlex.split(line)
    assert words[:4] == ["Slicer", "--no-splash", "--no-main-window", "--python-script"]
    monkeypatch.setattr(sys, "argv", words[4:])
    console(script)
    assert slicer_emulation.exit_code() == code
    assert Path("fused.nrrd").exists() == (code != 1)
    assert bool(capsys.readouterr().err) == (code == 1)


def test_all_patients_of_a_dicom_database_are_fused(console, scene, tmp_path, capsys):
    from DICOMLib import DICOMUtils

    for number, modalities in enumerate(("MR CT PT", "CT", "MR"), 1):
        for series, modality in enumerate(modalities.split(), 1):
            attributes = {"PatientID": f"P{number}", "StudyInstanceUID": f"1.2.3.{number}", "SeriesNumber": series}
            attributes["SeriesInstanceUID"] = f"1.2.3.{number}.{series}"
            maker = SeriesMaker(modality, ball((9, 40, 40), series), **attributes)
            maker.write(tmp_path / "study" / f"{number}-{series}")
    assert DICOMUtils.importDicom(str(tmp_path / "study"))
    console('logic = slicer.util.getModuleLogic("AMIFusion")\nlicense = logic.evaluationLicense()')
    (code,) = code_blocks("All patients of the DICOM database")
    console(code)
    expected = ["1-1.2.3.1.2.nrrd", "1-1.2.3.1.3.nrrd"]
    assert sorted(path.name for path in Path("fused").iterdir()) == expected
    assert capsys.readouterr().out.splitlines()[1:] == ["2 []", "3 []"]
    assert not sys.modules["slicer"].util.getNodesByClass("vtkMRMLVolumeNode")


def test_tutorial_has_the_windows_that_its_test_sets():
    rows = re.findall(r"^ +\| .*(brain, blood|bone alone).* \| (\d+) \| (\d+) \|$", TUTORIAL, re.MULTILINE)
    assert [(int(window), int(level)) for _, window, level in rows] == [BRAIN, BONE]


# Links and pictures


def anchors(page):
    """What a link into a page may name: its titles, as GitHub and MkDocs write them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\s-]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page):
    """Links and pictures of a page that lead nowhere, of those that stay in the repository."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        own = re.sub(r"^https://github\.com/AMIFusion/SlicerAMIFusion/blob/main", str(ROOT), target)
        if own.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = own.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    assert not list(broken_links(page))


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One title\n[a](#one-title) [b](#none) ![c](no.png) [d](page.md) [e](https://example.org)\n")
    assert list(broken_links(page)) == ["#none", "no.png"]


def test_every_page_is_in_the_site_and_every_picture_is_shown():
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [path.name for path in (DOCS / "pictures").iterdir() if f"pictures/{path.name})" not in shown] == []


def test_changelog_begins_with_this_version():
    titles = re.findall(r"^## \[(.*?)\]", (DOCS / "changelog.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [title for title in titles if title != "Unreleased"][0] == __version__


# The diagram


def drawn():
    """The diagram's nodes, {node: files and packages it stands for}, its arrows and the table's imports."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    nodes = {}
    for node, label in re.findall(r'^\s*(\w+)\["(.*?)"\]', diagram, re.MULTILINE):
        nodes[node] = set(re.findall(r"\w+(?=/|\.py)", label))
    arrows = set()
    for source, targets in re.findall(r"^\s*(\w+) --> (.*)$", diagram, re.MULTILINE):
        arrows |= {(source, target.strip()) for target in targets.split("&")}
    box = {part: node for node, members in nodes.items() for part in members}
    rows = re.findall(r"^\| (.*?) \| .*? \| (.*?) \| .*? \|$", text.split("| Part |")[1], re.MULTILINE)[1:]
    listed = set()
    for part, targets in rows:
        source = "common" if part == "the rest" else box[re.search(r"\w+(?=/|\.py)", part).group(0)]
        listed |= {(source, target.replace("the rest", "common")) for target in targets.split(", ") if target != "–"}
    assert len(rows) == len(nodes), "each box is a row of the table"
    return nodes, arrows, listed


def without_detours(edges):
    """Those edges that say more than the others: no way along others leads from one end to the other."""

    def reaches(start, end, others):
        reached = {start}
        while True:
            more = {target for source, target in others if source in reached} - reached
            if not more:
                return end in reached
            reached |= more

    return {edge for edge in edges if not reaches(*edge, edges - {edge})}


def imported(path, package):
    """Full names of all that a file imports, also within functions.

    Args:
        path: the file.
        package: names of the packages that it lies in, outermost first.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def real_edges():
    """(part, part) for each import between files or packages directly in AMIFusionLib, AMIFusion.py included."""
    parts = {path.stem for path in LIBRARY.iterdir() if path.is_dir() or path.suffix == ".py"} - {"__pycache__"}
    edges = set()
    for path in (LIBRARY.parent / "AMIFusion.py", *LIBRARY.rglob("*.py")):
        below = path.relative_to(LIBRARY.parent).with_suffix("").parts
        source = below[1] if len(below) > 1 else below[0]
        for name in imported(path, list(below[:-1])):
            names = name.split(".")
            if names[0] == "AMIFusionLib" and len(names) > 1 and names[1] in parts - {source}:
                edges.add((source, names[1]))
    return parts - {"__init__"}, edges


def test_diagram_shows_the_real_imports():
    nodes, arrows, listed = drawn()
    parts, edges = real_edges()
    stands_for = [part for members in nodes.values() for part in members]
    assert sorted(stands_for) == sorted({*parts, "AMIFusion"}), "each file and package is in one box"
    box = {part: node for node, members in nodes.items() for part in members}
    real = {(box[source], box[target]) for source, target in edges if box[source] != box[target]}
    assert listed == real, f"not in the table: {sorted(real - listed)}; not real: {sorted(listed - real)}"
    needed = without_detours(real)
    assert arrows == needed, f"not drawn: {sorted(needed - arrows)}; too many: {sorted(arrows - needed)}"
