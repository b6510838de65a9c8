"""The live preview through saved, closed and changed scenes: nothing of it stays or is saved."""
# ruff: noqa: F811 (fixtures are imported by name)

import gc
import weakref

import numpy as np
import pytest
from preview_bench import bench, pair, parameters, running  # noqa: F401 (fixtures)


def test_scratch_nodes_are_nowhere_to_be_chosen(running, slicer):
    selector = running.ui.referenceSelector
    names = [selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())]
    assert names == ["MR", "CT"]
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    for node in running.scratches():
        assert not hierarchy.GetItemByDataNode(node) and node.GetHideFromEditors()
        assert not node.GetSaveWithScene() and not node.GetDisplayNode().GetSaveWithScene()
        assert not node.GetUndoEnabled() and node.GetStorageNode() is None


@pytest.mark.parametrize("ending", ["mrb", "mrml"])
def test_a_saved_scene_has_the_user_s_layers(bench, parameters, pair, scene, slicer, tmp_path, ending):
    bench.composite().SetForegroundVolumeID(pair[1].GetID())
    bench.composite().SetForegroundOpacity(0.3)
    before = bench.layers()
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    path = tmp_path / f"saved.{ending}"
    if ending == "mrml":
        scene.SetURL(str(path))  # a scene gets its file's place before it is written
        for node in pair:
            slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    assert slicer.util.saveScene(str(path))
    bench.settle()
    assert len(bench.scratches()) == 3 and bench.layers() != before
    bench.section.close()
    scene.Clear(0)
    slicer.util.loadScene(str(path))
    assert bench.scratches() == []
    (foreground, opacity), *others = bench.layers()
    assert (scene.GetNodeByID(foreground).GetName(), opacity) == ("CT", 0.3) and others == before[1:]


def test_a_scene_that_tells_nobody_of_being_written_gets_the_user_s_layers_back(
    module, bench, parameters, pair, scene, slicer, tmp_path
):
    """As the Save dialog writes it; twice, and at last without the module being open."""
    bench.composite().SetForegroundVolumeID(pair[1].GetID())
    bench.composite().SetForegroundOpacity(0.3)
    before = bench.layers()
    for node in pair:
        slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    path = str(tmp_path / "saved.mrml")
    for _ in range(2):
        scene.SetURL(path)
        scene.Commit(path)
        bench.settle()
    bench.section.close()
    assert bench.layers() == before and "AMIFusion" not in str(bench.composite().GetAttributeNames())
    scene.Clear(0)
    module.registerViews()
    slicer.util.loadScene(path)
    (foreground, opacity), *others = bench.layers()
    assert (scene.GetNodeByID(foreground).GetName(), opacity) == ("CT", 0.3) and others == before[1:]
    assert "AMIFusion" not in str(bench.composite().GetAttributeNames())


def test_slicer_s_saving_sees_the_user_s_layers(running, scene):
    """Slicer tells when it begins and ends to save."""
    scene.StartState(scene.SaveState)
    assert running.layers() == [(None, 0)] * 3
    running.scroll(5)
    running.settle()
    assert running.layers() == [(None, 0)] * 3
    scene.EndState(scene.SaveState)
    running.settle()
    assert running.composite().GetForegroundVolumeID() == running.scratch().GetID()


def test_pauses_while_something_runs(running, scene, parameters, pair):
    running.section.pause()
    assert "waits" in running.status and running.scratches() == [] and running.layers() == [(None, 0)] * 3
    running.scroll(5)
    pair[0].GetDisplayNode().SetWindowLevel(400, 200)
    running.section.update(parameters)
    assert running.settle() == 0
    running.section.pause("left")
    running.section.resume()
    assert running.settle() == 0 and running.scratches() == []
    running.section.resume("left")
    running.settle()
    assert len(running.scratches()) == 3


@pytest.mark.parametrize("which", [0, 1])
def test_a_deleted_input_ends_it(running, scene, pair, which):
    running.scroll(5)
    scene.RemoveNode(pair[which])
    running.settle()
    assert running.scratches() == [] and running.status == "Select two volumes to see their fusion."
    assert not running.section.is_running


def test_a_deleted_former_foreground_does_not_come_back(bench, parameters, add_volume, scene):
    third = add_volume(np.zeros((4, 9, 9), np.int16), "Third")
    bench.composite().SetForegroundVolumeID(third.GetID())
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    scene.RemoveNode(third)
    bench.ui.previewCheckBox.setChecked(False)
    assert bench.composite().GetForegroundVolumeID() is None


def test_a_closed_scene_ends_it(running, scene):
    running.scroll(5)
    scene.Clear(0)
    assert running.settle() <= 1
    assert running.scratches() == [] and not running.section.is_running


def test_a_removed_scratch_node_is_no_problem(running, scene):
    scene.RemoveNode(running.scratch())
    running.settle()
    running.ui.previewCheckBox.setChecked(False)
    assert running.scratches() == [] and running.layers() == [(None, 0)] * 3


def observed(scene, pair, bench):
    """How many of the events that the section observes have an observer."""
    views = [bench.slicer.app.layoutManager().sliceWidget(name) for name in ("Red", "Yellow", "Green")]
    nodes = [node for view in views for node in (view.mrmlSliceNode(), view.mrmlSliceCompositeNode())]
    events = [(scene, event) for event in (scene.StartSaveEvent, scene.EndSaveEvent, "ModifiedEvent")]
    events += [(node, "ModifiedEvent") for node in (*nodes, *pair)]
    events += [(node, event) for node in pair for event in (node.TransformModifiedEvent, node.DisplayModifiedEvent)]
    return [bool(node.HasObserver(event)) for node, event in events]


def test_ten_times_on_and_off_leave_nothing(bench, parameters, pair, scene):
    before, count = observed(scene, pair, bench), scene.GetNumberOfNodes()
    images = []
    for _ in range(10):
        bench.ui.previewCheckBox.setChecked(True)
        bench.section.update(parameters)
        bench.settle()
        images += [weakref.ref(node.GetImageData()) for node in bench.scratches()]
        bench.ui.previewCheckBox.setChecked(False)
        bench.settle()
    assert observed(scene, pair, bench) == before and scene.GetNumberOfNodes() == count
    gc.collect()
    assert len(images) == 30 and not any(image() for image in images)


def test_closed_twice_and_called_late(running, parameters):
    running.scroll(3)
    running.section.close()
    running.section.close()
    assert running.settle() == 1 and running.scratches() == []
    running.section.update(parameters)
    running.section.resume()
    running.ui.previewCheckBox.setChecked(False)
    running.ui.previewCheckBox.setChecked(True)
    assert running.settle() == 0 and not running.section.is_running
