"""Measures of a result: those of the evaluation on the same slices, and sentences where they cannot be had."""

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from AMIFusionLib import result_measures
from AMIFusionLib.evaluation.eight_bit import eight_bit, eight_bit_luma
from AMIFusionLib.evaluation.metrics import fusion_metrics
from AMIFusionLib.result_measures import MEASURES, MeasureJob
from AMIFusionLib.volumes.errors import VolumeError
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.watch import UnchangedVolumes

SIDE = 44
"""Pixels a side: VIF needs 41."""


@pytest.fixture
def pair(add_volume):
    """Two small volumes with a dark slice at the end."""
    generator = np.random.default_rng(0)
    arrays = [(1000 * generator.random((9, SIDE, SIDE))).astype(np.int16) for _ in range(2)]
    for array in arrays:
        array[8] = 0
    return [add_volume(array, name, window=(0, 1000)) for array, name in zip(arrays, ("MR", "CT"))]


@pytest.fixture
def phantom_pair(head_model, scene):
    """The phantom's T2 and CT, coarsely sampled."""
    from AMIFusionLib.phantom.head import PhantomGrid
    from AMIFusionLib.phantom.nodes import add_phantom_volume

    spacing = np.diag([4.0, 4.0, 8.0, 1.0])
    spacing[:3, 3] = (-100, -120, -80)
    grid = PhantomGrid((20, 56, 48), spacing)
    return [add_phantom_volume(scene, head_model.sample(name, grid)) for name in ("MRT2", "CT")]


def expected_rows(pair, result, slices, plane="acquisition"):
    """The evaluation's measures of gray volumes' slices, which count from 1."""
    view = slice_layout(pair[0], plane).view
    import slicer

    arrays = []
    for node in pair:
        display = node.GetDisplayNode()
        low = display.GetLevel() - display.GetWindow() / 2
        arrays.append(np.clip((slicer.util.arrayFromVolume(node) - low) / display.GetWindow(), 0, 1))
    arrays.append(slicer.util.arrayFromVolume(result) / 4095)
    stacks = [eight_bit(view(array.astype(np.float32))) for array in arrays]
    return [fusion_metrics(*(stack[index - 1] for stack in stacks)) for index in slices]


def assert_rows_agree(measures, rows):
    for name, key in zip(MEASURES, ("Qabf", "QAF", "QBF", "SSIM", "MI", "VIF", "EN")):
        np.testing.assert_allclose(measures.values[name], [row[key] for row in rows], atol=1e-6)


def test_measures_are_the_evaluations_on_the_phantom(phantom_pair, logic):
    result = logic.fuse(*phantom_pair, license=logic.evaluationLicense())
    measures = MeasureJob(result, budget=60).run()
    assert measures.step == 1 and measures.total_slices == 20 and len(measures.slices) > 5
    assert_rows_agree(measures, expected_rows(phantom_pair, result, measures.slices))
    assert 0.3 < measures.mean("Qabf") < 1 and measures.mean("SSIM") > 0.8


def test_slices_that_show_nothing_are_left_out_and_others_as_time_allows(pair, logic):
    result = logic.fuse(*pair)
    assert list(MeasureJob(result, budget=60).run().slices) == [1, 2, 3, 4, 5, 6, 7, 8]
    few = MeasureJob(result, budget=2.5, clock=itertools.count().__next__).run()
    assert (few.step, few.total_slices, list(few.slices)) == (8, 9, [5])
    some = MeasureJob(result, budget=7, clock=itertools.count().__next__).run()
    assert (some.step, list(some.slices)) == (2, [1, 3, 5, 7])


def test_plane_and_windows_are_those_of_the_fusion(pair, logic):
    """Windows that the user changes afterwards change nothing."""
    result = logic.fuse(*pair, plane="coronal")
    before = expected_rows(pair, result, (1, 20, SIDE), "coronal")
    pair[1].GetDisplayNode().SetWindowLevel(10, 5)
    measures = MeasureJob(result, budget=60).run()
    assert list(measures.slices) == list(range(1, SIDE + 1))
    picked = {name: values[[0, 19, SIDE - 1]] for name, values in measures.values.items()}
    assert_rows_agree(SimpleNamespace(values=picked), before)
    # A slice of nine pixels is too small for VIF's windows.
    assert np.isnan(measures.mean("VIF")) and measures.mean("Qabf") > 0


def test_results_of_earlier_versions_are_measured_as_displayed(pair, logic):
    result = logic.fuse(*pair)
    expected = MeasureJob(result, budget=60).run()
    for role in ("Reference", "Moving"):
        result.RemoveAttribute(f"AMIFusion.{role}Window")
    found = MeasureJob(result, budget=60).run()
    assert_equal(found, expected)


def test_color_is_measured_by_its_luma(pair, logic, scene, slicer):
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetTypeToWarmShade1()
    pair[1].GetDisplayNode().SetAndObserveColorNodeID(scene.AddNode(colors).GetID())
    result = logic.fuse(*pair)
    assert result.IsA("vtkMRMLVectorVolumeNode")
    measures = MeasureJob(result, budget=60).run()
    fused = eight_bit_luma(slicer.util.arrayFromVolume(result)[0])
    assert measures.values["EN"][0] == pytest.approx(fusion_metrics(fused, fused, fused)["EN"], abs=1e-6)


@pytest.mark.parametrize("what", ["removed", "moved", "emptied", "replaced"])
def test_sources_that_are_not_what_was_fused_are_refused(pair, logic, scene, slicer, what):
    result = logic.fuse(*pair)
    since = UnchangedVolumes(pair, None)
    if what == "removed":
        scene.RemoveNode(pair[1])
    elif what == "moved":
        pair[0].SetOrigin(1, 0, 0)
    elif what == "emptied":
        pair[0].SetAndObserveImageData(None)
    else:
        slicer.util.updateVolumeFromArray(pair[1], np.zeros((9, SIDE, SIDE), np.int16))
    with pytest.raises(VolumeError, match="(?i)fuse again"):
        MeasureJob(result, since)


def test_a_moved_reference_is_noticed_in_a_loaded_scene(pair, logic):
    result = logic.fuse(*pair)
    pair[0].SetSpacing(1, 1, 2)
    with pytest.raises(VolumeError, match="does not lie where"):
        MeasureJob(result)


def test_changes_while_measuring_end_it_with_a_sentence(pair, logic, scene):
    steps = MeasureJob(logic.fuse(*pair)).steps()
    next(steps)
    scene.RemoveNode(pair[1])
    with pytest.raises(VolumeError, match="while it was measured"):
        list(steps)


def test_nothing_to_see_is_said(logic, add_volume):
    pair = [add_volume(np.zeros((3, SIDE, SIDE), np.int16), name, window=(0, 9)) for name in ("MR", "CT")]
    with pytest.raises(ValueError, match="shows anything"):
        MeasureJob(logic.fuse(*pair)).run()


def test_measuring_needs_only_what_slicer_ships():
    """Inside Slicer there is no scikit-image, torchmetrics, OpenCV or Pillow, and no torch before it is asked for."""
    folder = Path(result_measures.__file__).parents[1]
    code = (
        "import sys\n"
        "for name in ('torch', 'torchmetrics', 'skimage', 'cv2', 'PIL', 'pywt', 'typer', 'SimpleITK'):\n"
        "    sys.modules[name] = None\n"
        "import slicer_emulation; slicer_emulation.install()\n"
        "import AMIFusionLib.result_measures; print('measured')"
    )
    environment = {"PYTHONPATH": f"{folder}:{folder / 'Testing' / 'Python'}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout.strip().endswith("measured"), run.stdout + run.stderr


def assert_equal(found, expected):
    for name in MEASURES:
        np.testing.assert_array_equal(found.values[name], expected.values[name])
