"""The `slicer.ScriptedLoadableModule` module: the four base classes of a scripted module."""

import importlib
import logging
import os
import types
import unittest

import slicer


class ScriptedLoadableModule:
    """Base of the class that describes the module."""

    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = self.moduleName
        parent.categories = ["Testing"]
        setattr(slicer.modules, f"{self.moduleName}Instance", self)
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        """A path in the module's Resources folder."""
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        """The line of a help text that points to the documentation."""
        return f'<p>For more information see the <a href="{docPage or self.moduleName}">online documentation</a>.</p>'

    def runTest(self, msec=100, **kwargs):
        """Run the module's test class."""
        module = importlib.import_module(self.moduleName)
        test_case = getattr(module, f"{self.moduleName}Test")()
        test_case.messageDelay = msec
        return test_case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """Base of the module's panel. There is no enter or exit here: a module that wants them defines them."""

    def __init__(self, parent=None):
        import qt

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if parent is None:
            parent = slicer.qMRMLWidget()
            parent.setLayout(qt.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()
        setattr(slicer.modules, f"{self.moduleName}Widget", self)

    def resourcePath(self, filename):
        """A path in the module's Resources folder."""
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self):
        """Build the panel; in developer mode, with the reload and test buttons."""
        if self.developerMode:
            self.setupDeveloperSection()

    def setupDeveloperSection(self):
        """The section "Reload & Test"."""
        import ctk
        import qt

        self.reloadCollapsibleButton = ctk.ctkCollapsibleButton()
        self.reloadCollapsibleButton.text = "Reload && Test"
        self.layout.addWidget(self.reloadCollapsibleButton)
        buttons = qt.QFormLayout(self.reloadCollapsibleButton)
        self.reloadButton = qt.QPushButton("Reload")
        self.reloadButton.connect("clicked()", self.onReload)
        buttons.addRow(self.reloadButton)
        self.reloadAndTestButton = qt.QPushButton("Reload and Test")
        self.reloadAndTestButton.connect("clicked()", self.onReloadAndTest)
        buttons.addRow(self.reloadAndTestButton)

    def cleanup(self):
        """Called before the widget is destroyed."""

    def onReload(self):
        """Load the module's code anew and build the panel again."""
        logging.debug("Reloading %s", self.moduleName)
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs):
        """Run the module's self-test."""
        slicer.selfTests[self.moduleName](**kwargs)

    def onReloadAndTest(self, **kwargs):
        """Reload, then run the self-test."""
        with slicer.util.tryWithErrorDisplay("Reload and Test failed."):
            self.onReload()
            self.onTest(**kwargs)

    def onEditSource(self):
        """Opening an editor is not emulated."""


class ScriptedLoadableModuleLogic:
    """Base of the module's logic: it finds or creates the parameter node."""

    def __init__(self, parent=None):
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The first parameter node of the module, created where there is none."""
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else self.createParameterNode()

    def getAllParameterNodes(self):
        """Every parameter node of the module."""
        return [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
            if node.GetAttribute("ModuleName") == self.moduleName
        ]

    def createParameterNode(self):
        """Add a parameter node to the scene; a singleton for the usual module."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of the module's self-test."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.messageDelay = 0

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        """Show a message for a moment; here, say it and run the event loop."""
        slicer.util.delayDisplay(message, autoCloseMsec=0)

    def runTest(self):
        """A module's test defines this."""
        logging.warning("No test is defined in %s", type(self).__name__)


def build():
    """The module object."""
    module = types.ModuleType("slicer.ScriptedLoadableModule", __doc__)
    for base in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(module, base.__name__, base)
    module.__all__ = [base for base in vars(module) if base.startswith("Scripted")]
    return module
