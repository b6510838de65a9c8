"""What is refused, and the result node."""
# ruff: noqa: F811 (fixtures are imported by name)

import numpy as np
import pytest
import vtk
from AMIFusionLib.volumes import errors
from AMIFusionLib.volumes.checks import check_inputs, check_output
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.result import ResultImage, publish_result
from test_logic_and_panel import panel, results, select  # noqa: F401 (a fixture)

GRAY = np.zeros((4, 5, 6), np.int16)


@pytest.fixture
def pair(add_volume):
    """Two volumes that can be fused."""
    return add_volume(GRAY, "MR"), add_volume(GRAY, "CT")


def test_good_pairs_pass(pair, add_volume):
    check_inputs(*pair)
    check_inputs(pair[0], add_volume(np.zeros((4, 5, 6, 3), np.uint8)))
    check_inputs(add_volume(np.zeros((4, 5, 6, 4), np.uint8)), pair[0])


def test_missing_and_equal_inputs(pair):
    with pytest.raises(errors.VolumeError, match="Select the reference volume"):
        check_inputs(None, pair[1])
    with pytest.raises(errors.VolumeError, match="Select the second volume"):
        check_inputs(pair[0], None)
    with pytest.raises(errors.VolumeError, match="'MR' is selected twice"):
        check_inputs(pair[0], pair[0])


@pytest.mark.parametrize("thing", ["MR", 3, np.zeros((3, 4, 5))])
def test_inputs_that_are_no_volumes(pair, scene, thing):
    with pytest.raises(errors.UnsupportedVolumeError, match="second volume must be a volume node"):
        check_inputs(pair[0], thing)
    model_node = scene.AddNewNodeByClass("vtkMRMLModelNode", "Surface")
    with pytest.raises(errors.UnsupportedVolumeError, match="not 'Surface'"):
        check_inputs(model_node, pair[0])


def test_volume_in_no_scene(pair, slicer):
    loose = slicer.vtkMRMLScalarVolumeNode()
    slicer.util.updateVolumeFromArray(loose, GRAY)
    with pytest.raises(errors.VolumeError, match="is in no scene"):
        check_inputs(pair[0], loose)


def test_volume_of_a_pipeline_that_has_not_run(pair, scene):
    source = vtk.vtkImageMandelbrotSource()
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Made")
    node.SetImageDataConnection(source.GetOutputPort())
    check_inputs(pair[0], node)


def test_volume_without_image(pair, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(errors.EmptyVolumeError, match="'Empty' has no image data"):
        check_inputs(pair[0], empty)
    empty.SetAndObserveImageData(vtk.vtkImageData())
    with pytest.raises(errors.EmptyVolumeError, match="'Empty'"):
        check_inputs(empty, pair[0])


@pytest.mark.parametrize("components", [2, 5, 9])
def test_time_series_and_fields(pair, add_volume, components):
    series = add_volume(np.zeros((4, 5, 6, components), np.float32), "Series")
    with pytest.raises(errors.UnsupportedVolumeError, match=f"'Series' has {components} values in each voxel"):
        check_inputs(pair[0], series)


def test_spatial_vectors_are_no_color(pair, add_volume):
    field = add_volume(np.zeros((4, 5, 6, 3), np.float32), "Field")
    field.SetVoxelVectorType(field.VoxelVectorTypeSpatial)
    with pytest.raises(errors.UnsupportedVolumeError, match="vector field"):
        check_inputs(pair[0], field)


@pytest.mark.parametrize("components", [(), (3,)])
@pytest.mark.parametrize("scalar", [np.float32, np.float64])
def test_volume_without_a_single_number(pair, add_volume, components, scalar):
    values = np.full((4, 5, 6, *components), np.nan, scalar)
    values[1], values[2] = np.inf, -np.inf
    for chosen in ((pair[0], add_volume(values, "Void")), (add_volume(values, "Void"), pair[1])):
        with pytest.raises(errors.EmptyVolumeError, match=r"'Void' has no values: .* Select another volume\.$"):
            check_inputs(*chosen)
    values[3, 4, 5] = 7
    check_inputs(pair[0], add_volume(values, "One"))


def test_volume_of_nan_leaves_nothing(logic, panel, pair, add_volume, scene):
    """Neither as a script fuses it nor in the panel."""
    void, before = add_volume(np.full((4, 5, 6), np.nan, np.float32), "Void"), scene.GetNumberOfNodes()
    for chosen in ((pair[0], void), (void, pair[0])):
        with pytest.raises(ValueError, match="'Void' has no values"):
            logic.fuse(*chosen)
    assert scene.GetNumberOfNodes() == before
    select(panel, pair[0], void)
    assert (panel._ui.fuseButton.text, panel._ui.fuseButton.enabled) == ("Select volumes that can be fused", False)
    assert "'Void' has no values" in panel._ui.volumesNoteLabel.text
    assert not results(scene)


def test_label_map(pair, scene, slicer):
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.util.updateVolumeFromArray(labels, GRAY)
    with pytest.raises(errors.UnsupportedVolumeError, match="label map"):
        check_inputs(pair[0], labels)


def test_outputs(pair, add_volume, scene):
    check_output(None, *pair, is_color=True)
    check_output(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), *pair, is_color=False)
    with pytest.raises(errors.OutputVolumeError, match="'CT' is an input"):
        check_output(pair[1], *pair, is_color=False)
    with pytest.raises(errors.OutputVolumeError, match="gray values.*in color"):
        check_output(add_volume(GRAY), *pair, is_color=True)
    with pytest.raises(errors.OutputVolumeError, match="in gray values"):
        check_output(add_volume(np.zeros((4, 5, 6, 3), np.uint8)), *pair, is_color=False)


OBLIQUE = np.array([[0.9, -0.1, 0.3, 11], [0.1, 1.1, 0.0, -7], [-0.3, 0.0, 2.8, 3], [0, 0, 0, 1]])


def matrix_of(node):
    """A node's geometry."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return [matrix.GetElement(i, j) for i in range(4) for j in range(4)]


def finished(reference, plane="acquisition", is_color=False, value=0.5):
    """A result of one value."""
    result = ResultImage(reference, slice_layout(reference, plane), is_color)
    luma = np.full(result.shape, value, np.float32)
    result.write(0, luma, np.zeros((*luma.shape, 2), np.float32) if is_color else None)
    return result


def test_result_lies_exactly_on_the_reference(add_volume, scene, slicer):
    reference = add_volume(GRAY, "MR", ijk_to_ras=OBLIQUE)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    reference.SetAndObserveTransformNodeID(transform.GetID())
    node = publish_result(finished(reference), reference, None, "Fused", {"Model": "m"})
    assert matrix_of(node) == matrix_of(reference)
    assert node.GetTransformNodeID() == transform.GetID()
    array = slicer.util.arrayFromVolume(node)
    assert array.dtype == np.int16 and array.shape == GRAY.shape and (array == 2048).all()
    assert node.GetAttribute("AMIFusion.Model") == "m"
    display = node.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (4095, 2047.5, 0)


def test_slices_of_every_plane_come_back_to_their_voxels(add_volume, slicer):
    reference = add_volume(GRAY, ijk_to_ras=np.diag([-1.0, 1, -2, 1]))
    truth = np.random.default_rng(0).random(GRAY.shape).astype(np.float32)
    for plane in ("acquisition", "axial", "sagittal", "coronal"):
        layout = slice_layout(reference, plane)
        result = ResultImage(reference, layout, is_color=False)
        slices = layout.view(truth)
        for start in range(len(slices)):
            result.write(start, slices[start : start + 1], None)
        node = publish_result(result, reference, None, "Fused", {})
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), np.rint(truth * 4095))


def test_color_result(add_volume, slicer):
    reference = add_volume(GRAY)
    result = ResultImage(reference, slice_layout(reference, "acquisition"), is_color=True)
    luma, chroma = np.full(GRAY.shape, 0.299, np.float32), np.tile(np.float32([-0.168736, 0.5]), (*GRAY.shape, 1))
    result.write(0, luma, chroma)
    node = publish_result(result, reference, None, "Fused", {})
    array = slicer.util.arrayFromVolume(node)
    assert node.GetClassName() == "vtkMRMLVectorVolumeNode" and array.dtype == np.uint8
    np.testing.assert_array_equal(array[0, 0, 0], [255, 0, 0])


def test_chosen_output_keeps_its_display(add_volume, slicer):
    reference = add_volume(GRAY, ijk_to_ras=OBLIQUE)
    output = add_volume(np.ones((2, 2, 2), np.float32), "Mine", window=(100, 300))
    output.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    output.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    display = output.GetDisplayNode()
    node = publish_result(finished(reference), reference, output, "Fused", {})
    assert node is output and node.GetName() == "Mine" and node.GetDisplayNode() is display
    assert (display.GetWindow(), display.GetLevel()) == (200, 200)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeRed"
    assert node.GetAttribute("DICOM.instanceUIDs") is None
    assert matrix_of(node) == matrix_of(reference)
    assert slicer.util.arrayFromVolume(node).shape == GRAY.shape


def test_derived_data_carries_no_dicom_uids(add_volume):
    reference = add_volume(GRAY)
    reference.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert publish_result(finished(reference), reference, None, "Fused", {}).GetAttribute("DICOM.instanceUIDs") is None


def test_place_in_the_subject_hierarchy_is_beside_the_reference(add_volume, scene, slicer):
    reference = add_volume(GRAY)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, reference)
    node = publish_result(finished(reference), reference, None, "Fused", {})
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_names_are_unique(add_volume):
    reference = add_volume(GRAY)
    names = [publish_result(finished(reference), reference, None, "Fused", {}).GetName() for _ in range(3)]
    assert len(set(names)) == 3
