"""What users read can be translated: Slicer's extraction finds it, and a translation that is installed is shown."""
# -*- i18n: disabled -*- for Slicer's extraction: what looks like a call of the translation below is none.

import ast
import importlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import PySide6
import pytest
import slicer_emulation

MODULE = Path(__file__).resolve().parents[2]
LIBRARY = MODULE / "AMIFusionLib"
FOLDERS = ("authorization", "fusion", "panel", "registration", "volumes")
SINGLE_FILES = (
    "alignment_job.py",
    "bundled.py",
    "fusion_job.py",
    "input_files.py",
    "license_store.py",
    "pytorch.py",
    "result_measures.py",
    "revocation_download.py",
    "revocations.py",
    "slice_preview.py",
)
TRANSLATED = [
    MODULE / "AMIFusion.py",
    *(path for folder in FOLDERS for path in sorted((LIBRARY / folder).glob("*.py"))),
    *(LIBRARY / name for name in SINGLE_FILES),
]
"""Files with sentences for users of the panel. Training, evaluation and the command line are not translated."""

UNTRANSLATED_ERRORS = {
    # read_model turns these into "... is damaged", and open_parameters into "the sealed part ... is damaged".
    "header too long": "authorization/model_file.py",
    "sealed parameters cut off": "authorization/model_file.py",
    "public parameters changed": "authorization/model_file.py",
    "no lengths": "authorization/model_file.py",
    # read_model says that the header is damaged, and a configuration or a list of peers names the file before these.
    "it is nested too deeply": "input_files.py",
    "it gives ": "input_files.py",
    " twice": "input_files.py",
    " is no number in JSON": "input_files.py",
    "it holds a number that is too large": "input_files.py",
    # A mistake of whoever calls it: each button is Cancel while its run is under way.
    "A fusion is under way. Cancel it before you start another.": "panel/runner.py",
}

SENTENCE = re.compile(r"[A-Za-z]+ [A-Za-z]+.*[.?!]\s*$", re.DOTALL)


def relative(path):
    return path.relative_to(LIBRARY if LIBRARY in path.parents else MODULE).as_posix()


def each_file(function):
    return pytest.mark.parametrize("path", TRANSLATED, ids=relative)(function)


def is_translation(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def translations_in(path):
    """The calls of the translation in a file, with their source."""
    source = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if is_translation(node)]
    return [(call, ast.get_source_segment(source, call)) for call in calls]


def texts_outside_of_translations(node):
    """Texts below a node, those of f-strings too, that no call of the translation holds."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        # A text that stands alone is a docstring.
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not is_docstring and not is_translation(child):
            yield from texts_outside_of_translations(child)


def untranslated_errors(path):
    """Texts in exceptions, raised or given back, by line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            for argument in node.args:
                if not is_translation(argument):
                    yield from ((node.lineno, text) for text in texts_of_message(argument))


def texts_of_message(argument):
    """The texts of an exception's message; what ``format`` fills in need not be words."""
    is_filled = isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute)
    if is_filled and argument.func.attr == "format":
        argument = argument.func.value
    return () if is_translation(argument) else texts_outside_of_translations(argument)


@each_file
def test_what_is_translated_can_be_extracted(path):
    """One literal, or several between the same quotation marks: Slicer's extraction looks for ``_("`` and ``")``."""
    for call, source in translations_in(path):
        place = f"{relative(path)}:{call.lineno}"
        assert len(call.args) == 1 and not call.keywords, place
        assert isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str), place
        assert re.match(r"_\(\s*([\"']).+?\1\s*\)", source, re.DOTALL), f"{place}: {source}"


@each_file
def test_errors_are_translated(path):
    found = [(line, text) for line, text in untranslated_errors(path) if text not in UNTRANSLATED_ERRORS]
    assert not found


def test_exceptions_to_that_are_still_there():
    found = {text: relative(path) for path in TRANSLATED for _line, text in untranslated_errors(path)}
    assert found == UNTRANSLATED_ERRORS


@each_file
def test_sentences_are_translated(path):
    """Also those that are no error: advice, verdicts, states."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "AMIFusion.py":
        tree.body = [node for node in tree.body if getattr(node, "name", "") != "AMIFusionTest"]
    found = [text for text in texts_outside_of_translations(tree) if SENTENCE.search(text)]
    assert [text for text in found if text not in UNTRANSLATED_ERRORS] == []


@each_file
def test_nothing_else_is_called_as_the_translation(path):
    """A loop variable of that name would make the translation a local variable without a value."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "_"]
    if any(isinstance(node.ctx, ast.Load) for node in names):
        assert [node.lineno for node in names if not isinstance(node.ctx, ast.Load)] == []


@each_file
def test_translation_comes_from_one_place(path):
    """``slicer.i18n`` where there is an application in any case, ``AMIFusionLib.translation`` elsewhere."""
    in_application = path.parent.name == "panel" or path.name == "AMIFusion.py"
    modules = {
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and any(name.name == "tr" and name.asname == "_" for name in node.names)
    }
    assert modules == ({"slicer.i18n" if in_application else "translation"} if translations_in(path) else set())


def context_of(path):
    """What Slicer calls a file when it looks for a translation."""
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").exists() else path.stem


def test_extraction_finds_all(tmp_path):
    """As Slicer does it: rewrite the calls as Qt's own, then let Qt's tool collect them."""
    paths = [MODULE / "AMIFusion.py", *sorted(LIBRARY.rglob("*.py"))]
    expected = {(context_of(path), call.args[0].value) for path in paths for call, _source in translations_in(path)}
    listed = tmp_path / "files.txt"
    for number, path in enumerate(paths):
        source = path.read_text(encoding="utf-8")
        for mark in ('"', "'"):
            call = rf"(?<!_)_\((\s*{mark}.+?{mark}\s*\))"
            source = re.sub(call, rf'translate("{context_of(path)}", \1', source, flags=re.DOTALL)
        (tmp_path / f"{number}.py").write_text(source, encoding="utf-8")
    listed.write_text("\n".join(f"{number}.py" for number in range(len(paths))))
    tool = next(Path(PySide6.__file__).parent.glob("lupdate*"))
    subprocess.run([tool, f"@{listed}", "-ts", "all.ts"], cwd=tmp_path, check=True, capture_output=True)
    contexts = ElementTree.parse(tmp_path / "all.ts").getroot().iter("context")
    found = {
        (context.findtext("name"), message.findtext("source"))
        for context in contexts
        for message in context.iter("message")
    }
    assert expected - found == set()
    assert len(expected) > 150


@pytest.fixture
def fresh_import(slicer):
    """Imports the library anew, as Slicer does: when ``slicer`` is there already."""

    def forget():
        names = [name for name in sys.modules if name.split(".")[0] == "AMIFusionLib"]
        return {name: sys.modules.pop(name) for name in names}

    kept = forget()
    yield importlib.import_module
    forget()
    sys.modules.update(kept)


def test_in_slicer_it_is_slicers_own_function(fresh_import, slicer):
    """Another would be taken for the caller, whose file decides where a sentence is looked for."""
    assert fresh_import("AMIFusionLib.translation").tr is slicer.i18n.tr


def test_error_about_a_volume_is_translated(fresh_import, scene):
    """After the import: a translation may be installed at any time."""
    checks = fresh_import("AMIFusionLib.volumes.checks")
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Kopf")
    text = "'{name}' has no image data. Load it again, or select another volume."
    translated = "'{name}' hat keine Bilddaten. Laden Sie es neu, oder wählen Sie ein anderes Volumen."
    slicer_emulation.set_translations({("volumes.checks", text): translated})
    with pytest.raises(ValueError, match="^'Kopf' hat keine Bilddaten"):
        checks.check_inputs(node, node)


def test_error_about_a_license_is_translated(fresh_import, model):
    text = "This is not a complete license. Paste the whole text that you received, or open the license file."
    slicer_emulation.set_translations({("authorization.license", text): "Die Lizenz ist nicht vollständig."})
    authorize = fresh_import("AMIFusionLib.authorization.authorize").authorize
    assert authorize(model, "eyJ").problem == "Die Lizenz ist nicht vollständig."


def test_choices_of_the_panel_are_translated(logic):
    from AMIFusionLib.panel import fusion_section

    slicer_emulation.set_translations({("panel.fusion_section", "Sagittal"): "Sagittalebene"})
    assert fusion_section._plane_labels()["sagittal"] == "Sagittalebene"


def test_mrml_without_the_application_is_not_translated(fresh_import, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.i18n", None)
    assert fresh_import("AMIFusionLib.translation").tr("Select the second volume.") == "Select the second volume."


def test_without_slicer_it_is_not_imported():
    """It would take seconds, and training and the command line have no use for it."""
    program = (
        "import sys\n"
        "from AMIFusionLib.authorization.license import inspect_license\n"
        "from AMIFusionLib.registration import rigid\n"
        "assert 'slicer' not in sys.modules\n"
        "try:\n    inspect_license('')\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=MODULE, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("This is not a complete license.")
