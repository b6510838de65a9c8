"""The real MRML scene with the logics that Slicer starts with, and what Slicer's Qt side adds to it."""

import os

import slicer
import vtk

SLICE_VIEWS = ("Red", "Yellow", "Green")
SLICE_ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
IN_SUBJECT_HIERARCHY = ("vtkMRMLDisplayableNode", "vtkMRMLTransformNode", "vtkMRMLTableNode", "vtkMRMLTextNode")


def has_item(node):
    """Whether a node belongs into the subject hierarchy."""
    return not node.GetHideFromEditors() and any(node.IsA(kind) for kind in IN_SUBJECT_HIERARCHY)


class SceneLogics:
    """The scene, the application logic and the module logics of one application."""

    def __init__(self, home):
        self.scene = slicer.vtkMRMLScene()
        self._location = self.scene.GetURL(), self.scene.GetRootDirectory()
        slicer.mrmlScene = self.scene
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetHomeDirectory(home)
        self.application.SetTemporaryPath(home)
        self.application.SetShareDirectory("share")
        os.makedirs(os.path.join(home, "share", "ColorFiles"), exist_ok=True)
        self.application.SetMRMLScene(self.scene)
        self._add_remote_io(home)
        self.modules = {
            "Colors": slicer.vtkSlicerColorLogic(),
            "Volumes": slicer.vtkSlicerVolumesLogic(),
            "Transforms": slicer.vtkSlicerTransformLogic(),
            "Plots": slicer.vtkSlicerPlotsLogic(),
        }
        self.application.SetColorLogic(self.modules["Colors"])
        for name, logic in self.modules.items():
            logic.SetMRMLApplicationLogic(self.application)
            logic.SetMRMLScene(self.scene)
            self.application.SetModuleLogic(name, logic)
        self._add_slice_views()
        self.layout = slicer.vtkMRMLLayoutLogic()
        self.layout.SetMRMLApplicationLogic(self.application)
        self.layout.SetMRMLScene(self.scene)
        self.hierarchy = SubjectHierarchyPlugins(self.scene)

    def _add_remote_io(self, home):
        """The cache that reading and writing .mrb files needs."""
        self._remote_io = slicer.vtkMRMLRemoteIOLogic()
        self._remote_io.SetMRMLApplicationLogic(self.application)
        cache = os.path.join(home, "cache")
        os.makedirs(cache)
        with open(os.path.join(cache, ".slicer-cache"), "w", encoding="utf-8"):
            pass  # without this file MRML warns that it will not clean the folder
        self._remote_io.GetCacheManager().SetRemoteCacheDirectory(cache)
        self._remote_io.SetMRMLScene(self.scene)
        self._remote_io.AddDataIOToScene()

    def _add_slice_views(self):
        self.slices = {}
        collection = vtk.vtkCollection()
        for name in SLICE_VIEWS:
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self.application)
            logic.SetMRMLScene(self.scene)
            logic.AddSliceNode(name)
            logic.GetSliceNode().SetOrientation(SLICE_ORIENTATIONS[name])
            collection.AddItem(logic)
            self.slices[name] = logic
        self.application.SetSliceLogics(collection)

    def add_slice_logic(self, node):
        """The logic of a slice view that a layout brought."""
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        logic.SetSliceNode(node)
        self.application.GetSliceLogics().AddItem(logic)
        return logic

    def remove_slice_logic(self, logic):
        """Forget a slice view with its nodes."""
        self.application.GetSliceLogics().RemoveItem(logic)
        nodes = logic.GetSliceNode(), logic.GetSliceCompositeNode()
        logic.SetMRMLScene(None)
        for node in nodes:
            self.scene.RemoveNode(node)

    def clear(self):
        """An empty scene of no file again, parameter nodes included."""
        self.scene.Clear(0)
        url, folder = self._location
        self.scene.SetURL(url)
        self.scene.SetRootDirectory(folder)
        for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
            self.scene.RemoveNode(node)


class SubjectHierarchyPlugins:
    """Gives nodes their subject hierarchy items, as Slicer's plugins do when a node comes or goes."""

    def __init__(self, scene):
        scene.AddObserver(scene.NodeAddedEvent, self._on_added)
        scene.AddObserver(scene.NodeRemovedEvent, self._on_removed)
        scene.AddObserver(scene.EndImportEvent, lambda *_: self.create_missing_items(scene))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_added(self, scene, _event, node):
        if not scene.IsBatchProcessing():
            self._create_item(scene, node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene, _event, node):
        if scene.IsClosing() or not has_item(node):
            return
        hierarchy = scene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _create_item(self, scene, node):
        hierarchy = scene.GetSubjectHierarchyNode()
        if has_item(node) and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def create_missing_items(self, scene):
        """Items for every node that should have one, as after a scene was loaded."""
        for index in range(scene.GetNumberOfNodes()):
            self._create_item(scene, scene.GetNthNode(index))
