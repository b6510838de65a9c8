"""A small scripted module, written as Slicer's template is, that the emulation's own tests load."""

import enum
from typing import Annotated

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class EmulationProbe(ScriptedLoadableModule):
    """The module's description."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Emulation probe")
        self.parent.categories = [_("Testing")]
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Register one sample that needs no network."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Probe",
        sampleName="ProbeVolume",
        uris="https://example.org/nothing",
        fileNames="nothing",
        nodeNames="nothing",
        customDownloader=lambda source: [
            slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", source.sampleName)
        ],
    )


class Plane(enum.Enum):
    """Two planes."""

    ACQUISITION = "acquisition"
    AXIAL = "axial"


@parameterNodeWrapper
class EmulationProbeParameterNode:
    """What the panel saves with the scene."""

    volume: vtkMRMLScalarVolumeNode
    weight: Annotated[float, WithinRange(0, 1)] = 0.5
    plane: Plane = Plane.ACQUISITION
    preview: bool = False


class EmulationProbeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: a button that can be pressed once a volume is chosen, and a job pumped by a timer."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNode = self._tag = None

    def setup(self):
        """Build the panel."""
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/EmulationProbe.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = EmulationProbeLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, lambda *_: self.setParameterNode(None))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, lambda *_: self.enter())
        self.ui.applyButton.connect("clicked(bool)", self.onApply)

    def enter(self):
        """Bind the panel to the parameter node."""
        self.setParameterNode(EmulationProbeParameterNode(self.logic.getParameterNode()))

    def exit(self):
        """Let go of the parameter node."""
        self.setParameterNode(None)

    def cleanup(self):
        """Remove the observers."""
        self.removeObservers()

    def setParameterNode(self, parameterNode):
        """Follow a parameter node, or none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._tag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self._parameterNode = parameterNode
        if parameterNode:
            self._tag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, _caller=None, _event=None):
        """The button needs a volume."""
        self.ui.applyButton.enabled = self._parameterNode.volume is not None

    def onApply(self, _checked):
        """Start the job."""
        self.ui.progressBar.value = 0
        qt.QTimer.singleShot(0, self.step)

    def step(self):
        """One step of the job per turn of the event loop."""
        self.ui.progressBar.value += 25
        if self.ui.progressBar.value < 100:
            qt.QTimer.singleShot(0, self.step)


class EmulationProbeLogic(ScriptedLoadableModuleLogic):
    """The module's logic."""


class EmulationProbeTest(ScriptedLoadableModuleTest):
    """The module's self-test."""

    def runTest(self, **kwargs):
        """Say what it was given."""
        self.delayDisplay("running")
        self.assertTrue(slicer.app.testingEnabled())
        return kwargs
