"""The module in Slicer's emulation: logic, self-test, and the panel driven as a user would."""

import gc
import sys
import time

import numpy as np
import pytest
import slicer
import slicer_emulation
import vtk


@pytest.fixture
def pair(add_volume):
    """Two small volumes."""
    generator = np.random.default_rng(0)
    return tuple(
        add_volume((1000 * generator.random((24, 40, 40))).astype(np.int16), name, window=(0, 1000))
        for name in ("MR", "CT")
    )


@pytest.fixture
def panel(module):
    """The open panel's widgets, the panel and its logic."""
    widget = slicer_emulation.open_module("AMIFusion")
    return widget._panel


def wait_for(condition, seconds=60):
    """Turn the event loop until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer_emulation.process_events()


def select(panel, reference, moving):
    """Select two volumes as a user does."""
    panel._ui.referenceSelector.setCurrentNode(reference)
    panel._ui.movingSelector.setCurrentNode(moving)
    slicer_emulation.process_events()


def results(scene):
    """Nodes that this module made."""
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return [node for node in nodes if node.GetAttribute("AMIFusion.Model")]


def test_self_test_passes(module):
    module.AMIFusionTest().runTest()


def test_module_imports_without_torch(module):
    """Slicer loads every module at start; torch takes seconds and may be missing."""
    import subprocess
    import sys
    from pathlib import Path

    folder = Path(module.__file__).parent
    code = (
        "import sys, slicer_emulation; slicer_emulation.install(); "
        f"slicer_emulation.load_module({str(folder / 'AMIFusion.py')!r}); "
        "print([name for name in ('torch', 'SimpleITK', 'jwt', 'PIL', 'typer') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": f"{folder}:{folder / 'Testing' / 'Python'}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout.strip().endswith("[]"), run.stdout + run.stderr


def test_module_needs_only_what_slicer_ships(module, pair, logic):
    """Fusing imports nothing of the command line's, training's or evaluation's extras."""
    import subprocess
    import sys
    from pathlib import Path

    folder = Path(module.__file__).parent
    code = (
        "import sys, numpy as np\n"
        "for name in ('typer', 'rich', 'PIL', 'hypothesis', 'pytest', 'matplotlib'): sys.modules[name] = None\n"
        "import slicer_emulation; slicer = slicer_emulation.install()\n"
        f"module = slicer_emulation.load_module({str(folder / 'AMIFusion.py')!r})\n"
        "slicer_emulation.open_module('AMIFusion')\n"
        "logic = module.AMIFusionLogic(); nodes = logic.createHeadPhantom()\n"
        "small = [slicer.mrmlScene.AddNewNodeByClass('vtkMRMLScalarVolumeNode', n) for n in 'ab']\n"
        "for node in small: slicer.util.updateVolumeFromArray(node, np.random.rand(3, 32, 32).astype('f4'))\n"
        "print(logic.fuse(*small, license=logic.evaluationLicense()).GetAttribute('AMIFusion.Authorized'))\n"
    )
    environment = {"PYTHONPATH": f"{folder}:{folder / 'Testing' / 'Python'}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=180)
    assert run.stdout.strip().endswith("true"), run.stdout + run.stderr


def test_missing_pytorch_says_what_to_do(monkeypatch, pair, logic):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    slicer_emulation.set_pytorch_extension(False)
    with pytest.raises(RuntimeError, match="Extensions Manager"):
        logic.fuse(*pair)


def test_refused_installation_says_what_to_do(monkeypatch, pair, logic):
    import importlib.util
    import sys

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    monkeypatch.setattr(sys.modules["PyTorchUtils"].PyTorchUtilsLogic, "installTorch", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="PyTorch Utils"):
        logic.fuse(*pair)


def test_logic_yields_progress_and_returns_the_node(pair, logic):
    steps, fractions = logic.fuseSteps(*pair, license=logic.evaluationLicense()), []
    while True:
        try:
            fractions.append(next(steps).fraction)
        except StopIteration as end:
            node = end.value
            break
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert node.GetAttribute("AMIFusion.Authorized") == "true"


def test_logic_takes_another_model(pair, logic, model_path, issue):
    node = logic.fuse(*pair, model=model_path, license=issue())
    assert node.GetAttribute("AMIFusion.Model") == "test-model-1"
    assert node.GetAttribute("AMIFusion.Authorized") == "true"
    assert logic.fuse(*pair, license=issue()).GetAttribute("AMIFusion.Authorized") == "false"


def test_phantom_is_offered_as_sample_data(module, slicer, scene):
    import SampleData

    source = SampleData.SampleDataLogic().sourceForSampleName("Head phantom")
    # What SampleData writes on the button.
    assert (source.sampleDescription or source.nodeNames[0]) == "Head phantom"
    nodes = source.customDownloader(source)
    assert [node.GetName() for node in nodes] == ["PhantomCT", "PhantomMRT1", "PhantomMRT2", "PhantomPET"]
    assert all(node.GetScene() is scene for node in nodes)


def test_button_says_what_is_missing(panel, pair):
    ui = panel._ui
    assert (ui.fuseButton.text, ui.fuseButton.enabled) == ("Select a reference volume", False)
    ui.referenceSelector.setCurrentNode(pair[0])
    assert ui.fuseButton.text == "Select a second volume"
    ui.movingSelector.setCurrentNode(pair[0])
    assert ui.fuseButton.text == "Select two different volumes"
    ui.movingSelector.setCurrentNode(pair[1])
    assert (ui.fuseButton.text, ui.fuseButton.enabled) == ("Fuse", True)


def test_user_fuses_without_and_with_a_license(panel, pair, scene, logic):
    ui = panel._ui
    select(panel, *pair)
    assert "visible mark" in ui.licenseStatusLabel.text
    ui.fuseButton.click()
    assert ui.fuseButton.text == "Cancel"
    wait_for(lambda: not panel.is_busy)
    assert "marked as unlicensed" in ui.statusLabel.text and ui.fuseButton.text == "Fuse"
    ui.licenseLineEdit.setText(logic.evaluationLicense())
    assert ui.licenseStatusLabel.text.startswith("Licensed to Public evaluation until 20")
    ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    assert "clean" in ui.statusLabel.text
    assert [node.GetAttribute("AMIFusion.Authorized") for node in results(scene)] == ["false", "true"]


def test_bad_license_is_explained_and_the_result_is_marked(panel, pair, scene, logic):
    ui = panel._ui
    select(panel, *pair)
    ui.licenseLineEdit.setText(logic.evaluationLicense()[:-20])
    assert "license" in ui.licenseStatusLabel.text and "Licensed to" not in ui.licenseStatusLabel.text
    ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    assert results(scene)[0].GetAttribute("AMIFusion.Authorized") == "false"


def test_what_must_be_prepared_first_is_seen(monkeypatch, panel, pair, scene):
    """As an installation of PyTorch, which takes minutes and turns the event loop."""
    select(panel, *pair)
    ui, create, seen = panel._ui, panel._logic.createJob, []

    def prepare(*nodes, tell, **options):
        tell("Installing PyTorch: 800 MB")
        slicer_emulation.process_events()
        ui.fuseButton.click()
        seen.append((ui.fuseButton.text, ui.fuseButton.enabled, ui.statusLabel.text))
        seen.append((ui.progressBar.isHidden(), ui.progressBar.maximum))
        return create(*nodes, **options)

    monkeypatch.setattr(panel._logic, "createJob", prepare)
    ui.fuseButton.click()
    assert seen == [("Preparing...", False, "Installing PyTorch: 800 MB"), (False, 0)]
    assert ui.fuseButton.text == "Cancel" and ui.progressBar.maximum > 0
    wait_for(lambda: not panel.is_busy)
    assert ui.progressBar.isHidden() and ui.fuseButton.enabled

    monkeypatch.setattr(panel._logic, "createJob", lambda *nodes, tell, **options: tell("Loading") or 1 / 0)
    ui.fuseButton.click()
    assert ui.progressBar.isHidden() and ui.fuseButton.enabled and "Fusing failed" in ui.statusLabel.text


def test_panel_closed_while_a_run_is_prepared_ends_quietly(monkeypatch, panel, pair, scene):
    select(panel, *pair)
    create = panel._logic.createJob

    def prepare(*nodes, tell, **options):
        slicer_emulation.close_module("AMIFusion")
        slicer_emulation.process_events()
        return create(*nodes, **options)

    monkeypatch.setattr(panel._logic, "createJob", prepare)
    panel._ui.fuseButton.click()
    slicer_emulation.process_events()
    assert not panel.is_busy and slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == list(pair)


def test_cancel_half_way_leaves_nothing(panel, pair, scene):
    select(panel, *pair)
    count = scene.GetNumberOfNodes()
    panel._ui.fuseButton.click()
    slicer_emulation.process_events()
    panel._ui.fuseButton.click()
    assert not panel.is_busy
    assert panel._ui.statusLabel.text == "Canceled. Nothing was changed."
    slicer_emulation.process_events()
    assert scene.GetNumberOfNodes() == count and not panel._ui.progressBar.isVisible()


@pytest.mark.parametrize("what", ["reference deleted", "scene closed", "module closed"])
def test_interrupted_run_ends_cleanly(panel, pair, scene, what):
    select(panel, *pair)
    panel._ui.fuseButton.click()
    if what == "reference deleted":
        scene.RemoveNode(pair[0])
        wait_for(lambda: not panel.is_busy)
        assert "removed" in panel._ui.statusLabel.text
    elif what == "scene closed":
        scene.Clear(0)
    else:
        slicer_emulation.close_module("AMIFusion")
    slicer_emulation.process_events()
    assert not panel.is_busy and results(scene) == []


@pytest.mark.parametrize("role", ["reference", "moving", "output"])
def test_deleted_selection_is_not_replaced_by_another_volume(panel, pair, add_volume, scene, role):
    """Slicer's selectors would take the next volume, and a result would overwrite it."""
    third = add_volume(np.zeros((9, 20, 20), np.int16), "Third")
    third.SetAttribute("AMIFusion.Model", "a model")
    add_volume(np.zeros((9, 20, 20), np.int16), "Bystander").SetAttribute("AMIFusion.Model", "a model")
    select(panel, *pair)
    selector = getattr(panel._ui, f"{role}Selector")
    selector.setCurrentNode(third)
    assert selector.currentNode() is third
    scene.RemoveNode(third)
    slicer_emulation.process_events()
    assert selector.currentNode() is None
    assert getattr(panel._parameters, f"{role}Volume") is None


def test_deleted_result_is_no_result_any_more_and_an_earlier_one_takes_its_place(panel, pair, scene):
    ui = panel._ui
    select(panel, *pair)
    for _ in range(2):
        ui.fuseButton.click()
        wait_for(lambda: not panel.is_busy)
    first, second = results(scene)
    ui.outputSelector.setCurrentNode(second)
    scene.RemoveNode(second)
    slicer_emulation.process_events()
    assert f"'{first.GetName()}'" in ui.resultStateLabel.text and ui.measureButton.enabled
    scene.RemoveNode(first)
    slicer_emulation.process_events()
    assert first.GetName() not in ui.resultStateLabel.text and not ui.measureButton.enabled


def test_unaligned_volumes_are_warned_of_where_it_is_seen(panel, pair, add_volume):
    away = np.eye(4)
    away[0, 3] = 38
    section = panel._ui.alignmentCollapsibleButton
    assert section.collapsed
    select(panel, pair[0], add_volume(np.random.default_rng(1).random((24, 40, 40)), "CT beside", away))
    wait_for(lambda: panel._ui.alignmentStatusLabel.text)
    assert "overlap" in panel._ui.alignmentStatusLabel.text and not section.collapsed


def test_device_of_another_computer_is_kept_in_the_scene_and_not_used(panel, pair):
    import torch  # noqa: F401 - then the devices that are there are known

    ui = panel._ui
    panel._parameters.device = "cuda:7"
    assert panel._fusion.device == "auto" and panel._parameters.device == "cuda:7"
    select(panel, *pair)
    ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    assert "Done" in ui.statusLabel.text


def test_errors_of_the_volumes_reach_the_status_line(panel, add_volume):
    """What is only seen when a fusion is prepared."""
    small = [add_volume(np.ones((9, 5, 20), np.int16) * np.arange(20, dtype=np.int16), name) for name in ("MR", "CT")]
    select(panel, *small)
    panel._ui.fuseButton.click()
    assert "pixels" in panel._ui.statusLabel.text and not panel.is_busy


def test_saved_scene_brings_back_choices_and_results_and_holds_no_key(panel, pair, scene, slicer, logic, tmp_path):
    ui = panel._ui
    select(panel, *pair)
    ui.planeComboBox.setCurrentIndex(ui.planeComboBox.findData("coronal"))
    ui.windowComboBox.setCurrentIndex(ui.windowComboBox.findData("percentiles"))
    ui.colorCheckBox.checked = False
    license_text = logic.evaluationLicense()
    ui.licenseLineEdit.setText(license_text)
    ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    before = slicer.util.arrayFromVolume(results(scene)[0]).copy()
    path = tmp_path / "saved.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    slicer_emulation.process_events()
    assert ui.planeComboBox.itemData(ui.planeComboBox.currentIndex) == "acquisition"
    slicer.util.loadScene(str(path))
    slicer_emulation.process_events()
    parameters = logic.getParameterNode()
    assert (parameters.plane, parameters.window, parameters.keepColor) == ("coronal", "percentiles", False)
    assert parameters.referenceVolume.GetName() == "MR" and parameters.movingVolume.GetName() == "CT"
    assert ui.planeComboBox.itemData(ui.planeComboBox.currentIndex) == "coronal"
    assert ui.referenceSelector.currentNode().GetName() == "MR"
    (result,) = results(scene)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(result), before)
    assert_no_secret(path, tmp_path, license_text)


def assert_no_secret(bundle, folder, license_text):
    """No part of a license in a saved scene: neither the token nor the key in it."""
    import base64
    import json
    import zipfile

    token = license_text[license_text.index("eyJ") :].strip()
    payload = token.split(".")[1]
    key = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["key"]
    secrets = [token, *token.split(".")[1:], key, base64.urlsafe_b64decode(key).hex()]
    zipfile.ZipFile(bundle).extractall(folder / "unpacked")
    files = [path for path in (folder / "unpacked").rglob("*") if path.is_file()]
    assert any(path.suffix == ".mrml" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path.name


def test_license_from_a_file(panel, tmp_path, logic):
    path = tmp_path / "mine.license"
    path.write_text(logic.evaluationLicense())
    slicer_emulation.dialogs.answer_next(str(path))
    panel._ui.openLicenseButton.click()
    assert panel._ui.licenseStatusLabel.text.startswith("Licensed to")
    path.write_bytes(b"\xff\xfe\x00")
    slicer_emulation.dialogs.answer_next(str(path))
    panel._ui.openLicenseButton.click()
    assert "cannot be read" in panel._ui.licenseStatusLabel.text


def left_behind(scene, pair):
    """What a closed panel may leave: nodes, observers of what it followed, and objects that could still be called."""
    gc.collect()
    followed = [scene, *pair, *slicer.util.getNodesByClass("vtkMRMLSliceNode")]
    events = (vtk.vtkCommand.ModifiedEvent, scene.StartCloseEvent, scene.NodeAddedEvent, pair[0].TransformModifiedEvent)
    return {
        "nodes": [node.GetID() for node in slicer.util.getNodes("*", useLists=False).values()],
        "observers": [node.HasObserver(event) for node in followed for event in events],
        "objects": [
            thing for thing in gc.get_objects() if str(type(thing).__module__).startswith("AMIFusionLib.panel")
        ],
    }


@pytest.fixture
def own_modules():
    """Puts the module and its library back, which a reload replaces by others."""

    def ours():
        return {name: each for name, each in sys.modules.items() if name.startswith("AMIFusion")}

    before = ours()
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)


def test_reloaded_many_times_leaves_nothing(module, scene, pair, own_modules):
    """Each time while a preview is on and an alignment is under way."""
    states = []
    for _ in range(10):
        slicer_emulation.open_module("AMIFusion")
        panel = slicer.modules.AMIFusionWidget._panel
        select(panel, *pair)
        panel._ui.previewCheckBox.setChecked(True)
        panel._ui.alignButton.click()
        slicer_emulation.process_events()
        assert panel._alignment.is_running
        panel = None
        slicer.modules.AMIFusionWidget.onReload()
        slicer_emulation.close_module("AMIFusion")
        slicer_emulation.process_events()
        states.append(left_behind(scene, pair))
    assert states[0]["objects"] == [] and states[1:] == states[:-1]
