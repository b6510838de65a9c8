"""Which of a scene's nodes a node selector lists."""

import weakref
from dataclasses import dataclass, field

import shiboken6


@dataclass
class NodeList:
    """The scene's nodes of some classes, in the scene's order."""

    scene: object = None
    types: list = field(default_factory=list)
    show_children: bool = True
    show_hidden: bool = False
    attributes: list = field(default_factory=list)

    def ids(self):
        """IDs of the listed nodes."""
        if self.scene is None:
            return []
        nodes = [self.scene.GetNthNode(index) for index in range(self.scene.GetNumberOfNodes())]
        return [node.GetID() for node in nodes if self._listed(node)]

    def _listed(self, node):
        if node.GetHideFromEditors() and not self.show_hidden:
            return False
        matches = [
            kind for kind in self.types if (node.IsA(kind) if self.show_children else node.GetClassName() == kind)
        ]
        return bool(matches) and all(self._has(node, *wanted) for wanted in self.attributes)

    @staticmethod
    def _has(node, node_type, name, value):
        if not node.IsA(node_type):
            return True
        held = node.GetAttribute(name)
        return held is not None and (value is None or held == str(value))


class SceneObserver:
    """Calls a widget's method when nodes came or went, outside of batches, for as long as the widget lives."""

    def __init__(self, method):
        self._method, self._scene, self._tags = weakref.WeakMethod(method), None, []

    def follow(self, scene):
        """Observe another scene, or none."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            self._tags = [
                scene.AddObserver(event, self._on_event)
                for event in (
                    scene.NodeAddedEvent,
                    scene.NodeRemovedEvent,
                    scene.EndBatchProcessEvent,
                    scene.EndCloseEvent,
                    scene.EndImportEvent,
                )
            ]

    def _on_event(self, scene, _event):
        method = self._method()
        if method is None or not shiboken6.isValid(method.__self__):
            self.follow(None)
        elif not scene.IsBatchProcessing():
            method()
