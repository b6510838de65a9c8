"""`slicer.app.coreIOManager()`: reading and writing through MRML's own storage nodes."""

import os

import vtk

from .scene import has_item

TYPES = (
    ("SceneFile", (".mrml", ".mrb")),
    ("TransformFile", (".h5", ".tfm", ".mat", ".txt")),
    ("ColorTableFile", (".ctbl",)),
    ("MarkupsFile", (".mrk.json", ".json")),
    ("ModelFile", (".vtk", ".vtp", ".stl")),
)
NODE_CLASSES = {
    "TransformFile": "vtkMRMLTransformNode",
    "ColorTableFile": "vtkMRMLColorTableNode",
    "MarkupsFile": "vtkMRMLMarkupsFiducialNode",
    "ModelFile": "vtkMRMLModelNode",
    "TableFile": "vtkMRMLTableNode",
}


class CoreIOManager:
    """The calls that `slicer.util`'s load and save functions make."""

    def __init__(self, logics):
        self._logics = logics

    def fileType(self, path):
        """Which reader takes a file."""
        return next((kind for kind, endings in TYPES if str(path).lower().endswith(endings)), "VolumeFile")

    def fileWriterFileType(self, node):
        """Which writer takes a node."""
        return next((kind for kind, name in NODE_CLASSES.items() if node.IsA(name)), "VolumeFile")

    def loadNodes(self, file_type, properties, loaded, messages):
        """Read a file into the scene; False where that fails."""
        path = str(properties["fileName"])
        if not os.path.exists(path):
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"{path} does not exist")
            return False
        before = self._ids()
        if file_type == "SceneFile":
            success = self._load_scene(path, properties)
        elif file_type == "VolumeFile":
            success = self._load_volume(path, properties)
        else:
            success = self._load_node(path, properties, NODE_CLASSES[file_type])
        for node in self._nodes():
            if node.GetID() not in before and has_item(node):
                loaded.AddItem(node)
        return success

    def saveNodes(self, file_type, properties, messages):
        """Write a node, or the scene; False where that fails."""
        path, scene = str(properties["fileName"]), self._logics.scene
        if file_type == "SceneFile":
            if path.endswith(".mrb"):
                return scene.WriteToMRB(path, None, messages)
            return bool(scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(path)
        node.GetStorageNode().SetUseCompression(int(properties.get("useCompression", 1)))
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))

    def _load_scene(self, path, properties):
        scene = self._logics.scene
        clear = bool(properties.get("clear", False))
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def _load_volume(self, path, properties):
        options = 1 * bool(properties.get("labelmap")) + 2 * bool(properties.get("center"))
        options += 8 * bool(properties.get("autoWindowLevel", True)) + 4 * bool(properties.get("singleFile"))
        name = properties.get("name") or os.path.basename(path).split(".")[0]
        node = self._logics.modules["Volumes"].AddArchetypeVolume(path, name, options)
        if node is not None and properties.get("show", True):
            selection = self._logics.application.GetSelectionNode()
            selection.SetActiveVolumeID(node.GetID())
            self._logics.application.PropagateVolumeSelection()
        return node is not None

    def _load_node(self, path, properties, class_name):
        name = properties.get("name") or os.path.basename(path).split(".")[0]
        node = self._logics.scene.AddNewNodeByClass(class_name, name)
        node.AddDefaultStorageNode(path)
        if node.GetStorageNode().ReadData(node):
            return True
        self._logics.scene.RemoveNode(node)
        return False

    def _nodes(self):
        scene = self._logics.scene
        return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]

    def _ids(self):
        return {node.GetID() for node in self._nodes()}
