"""AMIFusion: authorizable fusion of medical images, as a 3D Slicer module."""

import dataclasses
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from AMIFusionLib.volumes.intensity import WINDOW_CHOICES, WINDOW_FROM_DISPLAY
from AMIFusionLib.volumes.planes import ACQUISITION, PLANES
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

HOMEPAGE = "https://github.com/AMIFusion/SlicerAMIFusion"


class AMIFusion(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("AMIFusion")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        self.parent.dependencies = []
        self.parent.contributors = ["The AMIFusion developers"]
        self.parent.helpText = _(
            "Fuses two volumes of one patient (MR with CT, PET or SPECT) into one. Without a license the result "
            "carries a visible mark; with one it is clean. Not for diagnosis. See the "
            '<a href="{homepage}">documentation</a>'
            "."
        ).format(homepage=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "Implements the idea of AMIF: Authorizable Medical Image Fusion with built-in authentication "
            '(<a href="https://arxiv.org/abs/2603.24296">arXiv 2603.24296</a>). Its fusion is trained on measures by '
            "C. S. Xydeas and V. Petrovic (2000), Z. Wang et al. (2004), H. R. Sheikh and A. C. Bovik (2006), and "
            "V. Aslantas and E. Bendes (2015)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerViews)


def registerSampleData():
    """Offer the head phantom in the Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="AMIFusion",
        sampleName="Head phantom",
        thumbnailFileName=os.path.join(os.path.dirname(__file__), "Resources", "Icons", "AMIFusionHeadPhantom.png"),
        # SampleData wants a source and a file name even where its downloader needs none.
        uris=HOMEPAGE,
        fileNames="AMIFusionHeadPhantom",
        # Its first node's name is what SampleData writes on the button of a source without a description, which cannot
        # be given here.
        nodeNames="Head phantom",
        customDownloader=loadHeadPhantom,
    )


def registerViews():
    """Let Slicer show a scene that was saved in three-up or under a preview, also before the module is opened."""
    from AMIFusionLib.panel.preview_view import restore_saved_layers
    from AMIFusionLib.panel.three_up import describe_layouts

    describe_layouts()
    slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndImportEvent, lambda scene, event: restore_saved_layers(scene))


def loadHeadPhantom(source=None):
    """Make the head phantom and show its MR; Sample Data calls it as a downloader, but nothing is downloaded.

    With a main window a dialog shows progress and lets the user cancel; then the list is empty and so is what it adds.
    """
    logic = AMIFusionLogic()
    if slicer.util.mainWindow() is None or slicer.app.testingEnabled():
        nodes = logic.createHeadPhantom()
    else:
        from AMIFusionLib.panel.progress_dialog import finished_with_dialog

        nodes = finished_with_dialog(logic.headPhantomSteps(), _("Making the head phantom..."), _("AMIFusion")) or []
    if nodes:
        slicer.util.setSliceViewerLayers(background=nodes[1], fit=True)
    return nodes


@parameterNodeWrapper
class AMIFusionParameterNode:
    """The panel's choices, saved with the scene. A license is none of them.

    Attributes:
        referenceVolume: volume whose grid the result takes.
        movingVolume: volume to bring onto it.
        outputVolume: volume to reuse for the result; none makes a new one.
        plane: slice plane.
        window: where the intensity windows come from.
        balance: how strongly each source shows, in percent: 0 only the reference, 50 both in full, 100 only the other.
        keepColor: whether a colored source makes a colored result.
        device: where the network runs; "auto" takes the fastest.
    """

    referenceVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    plane: Annotated[str, Choice(list(PLANES))] = ACQUISITION
    window: Annotated[str, Choice(list(WINDOW_CHOICES))] = WINDOW_FROM_DISPLAY
    balance: Annotated[float, WithinRange(0, 100)] = 50
    keepColor: bool = True
    device: str = "auto"


class AMIFusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._panel = self._form = None

    def setup(self):
        """Build the panel when the module is first opened."""
        from AMIFusionLib.panel.panel import FusionPanel

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = AMIFusionLogic()
        self._form = slicer.util.loadUI(self.resourcePath("UI/AMIFusion.ui"))
        self.layout.addWidget(self._form)
        self._form.setMRMLScene(slicer.mrmlScene)
        self._panel = FusionPanel(slicer.util.childWidgetVariables(self._form), self.logic)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onNewParameters)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        # A loaded scene's parameters arrive before the volumes that they name.
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onNewParameters)
        self._panel.connectParameters(self.logic.getParameterNode())

    def cleanup(self):
        """The module is closed or reloaded."""
        self.removeObservers()
        if self._panel is not None:
            self._panel.close()
            # Slicer only hides a reloaded module's former widgets, which would keep the former panel alive.
            self._form.deleteLater()
            self._panel = self._form = None

    def onReload(self):
        """A developer reloads the module: its library too, which Slicer leaves as it is."""
        for name in [name for name in sys.modules if name.split(".")[0] == "AMIFusionLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self):
        """The user opens the module."""
        self._panel.connectParameters(self.logic.getParameterNode())
        self._panel.entered()

    def exit(self):
        """The user opens another module."""
        self._panel.left()

    def onSceneStartClose(self, caller, event):
        """Parameters go with the scene, and so does a run."""
        self._panel.disconnectParameters()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        """A new volume may be one to fuse."""
        if node.IsA("vtkMRMLScalarVolumeNode"):
            self._panel.volume_added(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        """A volume that goes is no choice any more."""
        self._panel.deselect(node)

    def onNewParameters(self, caller, event):
        """A new or loaded scene has its own parameters."""
        self._panel.connectParameters(self.logic.getParameterNode())


class AMIFusionLogic(ScriptedLoadableModuleLogic):
    """Fusion for scripts and for the panel.

    In Slicer's Python console::

        logic = slicer.util.getModuleLogic("AMIFusion")
        with open("my.license", encoding="utf-8") as file:
            fused = logic.fuse(getNode("MRHead"), getNode("CTHead"), license=file.read())
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._models = {}
        self._revocations = None

    def getParameterNode(self):
        """The panel's choices in the current scene."""
        return AMIFusionParameterNode(super().getParameterNode())

    def fuse(self, reference, moving, output=None, **options):
        """Fuse two volumes and wait for the result.

        :param reference: vtkMRMLVolumeNode whose grid, place and parent transform the result takes.
        :param moving: vtkMRMLVolumeNode of the same patient; it is resampled onto that grid, parent transforms
          of both volumes included. Neither volume is changed.
        :param output: volume node to reuse for the result; None makes a new one.
        :param license: license text. Without one, or with one that does not hold, the result is marked.
        :param plane: "acquisition", "axial", "sagittal" or "coronal", in the reference's voxel grid.
        :param window: "display" fuses what the user sees, "percentiles" ignores the display.
        :param keepColor: whether a colored source makes a colored result.
        :param balance: how strongly each source shows, in percent: 0 only the reference, 50 both in full, 100 only the
          other.
        :param device: "auto", "cpu", "cuda:0", ...
        :param model: path of a model file; None takes the bundled model.
        :return: the result, a vtkMRMLScalarVolumeNode (0..4095) or vtkMRMLVectorVolumeNode (RGB).
          Its attribute "AMIFusion.Authorized" says whether it is clean.
        :raises ValueError: the volumes cannot be fused, or an option does not exist; the message says what to do.
        :raises OSError: the model file cannot be read.
        :raises RuntimeError: PyTorch is missing.
        """
        return self.createJob(reference, moving, output, **options).run()

    def fuseSteps(self, reference, moving, output=None, **options):
        """Fuse two volumes step by step, for callers with an event loop of their own.

        A generator: it yields progress (``progress.fraction`` is 0..1) and returns the result's node. It may be
        closed at any time; before progress reaches 1 the scene is then as it was. Parameters and errors are those of
        ``fuse``.
        """
        job = self.createJob(reference, moving, output, **options)
        yield from job.steps()
        return job.node

    def createJob(
        self,
        reference,
        moving,
        output=None,
        *,
        license=None,
        plane=ACQUISITION,
        window=WINDOW_FROM_DISPLAY,
        keepColor=True,
        balance=50,
        device="auto",
        model=None,
        askForPyTorch=None,
        tell=None,
    ):
        """Check everything and prepare a fusion; parameters and errors are those of ``fuse``.

        :param askForPyTorch: whether to ask to install PyTorch where it is missing; None asks once in a session.
        :param tell: takes a sentence for the user before anything that takes long.
        """
        from AMIFusionLib.pytorch import require_pytorch

        require_pytorch(tell or (lambda sentence: None), askForPyTorch)
        from AMIFusionLib.fusion_job import FusionJob, FusionOptions

        sealedModel = self.model(model)
        authorization = self.authorization(license, model)
        if authorization.problem:
            logging.warning("AMIFusion: the result will be marked. %s", authorization.problem)
        elif authorization.warning:
            logging.warning("AMIFusion: %s", authorization.warning)
        options = FusionOptions(plane=plane, window=window, keep_color=keepColor, balance=balance, device=device)
        return FusionJob(reference, moving, sealedModel, authorization, options, output)

    def authorization(self, license, model=None):
        """What a license allows; its ``problem`` is a sentence for the user where it does not hold.

        The newest revocation list that this computer has seen counts. A license that holds begins to fetch the
        model's list in the background, at most once a day; nobody waits for it here.

        :param license: license text or None.
        :param model: path of a model file; None takes the bundled model.
        """
        from AMIFusionLib.authorization.authorize import authorize
        from AMIFusionLib.bundled import MODEL_PATH

        sealedModel, revocations = self.model(model), self.revocations
        revocations.end_refresh(sealedModel.description)
        known = revocations.current(sealedModel.description, Path(model or MODEL_PATH))
        authorization = authorize(sealedModel, license, known)
        if authorization.is_licensed:
            revocations.begin_refresh(sealedModel.description)
        if authorization.is_licensed and revocations.problem:
            warning = f"{authorization.warning} {revocations.problem}".strip()
            authorization = dataclasses.replace(authorization, warning=warning)
        return authorization

    @property
    def revocations(self):
        """What is known of revoked licenses; kept beside Slicer's settings."""
        from AMIFusionLib.revocations import Revocations

        if self._revocations is None:
            self._revocations = Revocations(Path(slicer.app.slicerUserSettingsFilePath).parent / "AMIFusion")
        return self._revocations

    def model(self, path=None):
        """Read a model file, again only if it has changed.

        :param path: None takes the bundled model.
        :raises ValueError: not a model file.
        :raises OSError: the file cannot be read.
        """
        from AMIFusionLib.authorization.model_file import read_model
        from AMIFusionLib.bundled import MODEL_PATH

        path = Path(path or MODEL_PATH)
        stamp = path.stat().st_mtime_ns, path.stat().st_size
        if self._models.get(path, (None,))[0] != stamp:
            self._models[path] = stamp, read_model(path)
        return self._models[path][1]

    def evaluationLicense(self):
        """The public evaluation license of the bundled model."""
        from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH

        return EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")

    def createHeadPhantom(self):
        """Add the head phantom's CT, MR (T1, T2) and PET to the scene.

        :return: list of vtkMRMLScalarVolumeNode.
        """
        steps = self.headPhantomSteps()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def headPhantomSteps(self):
        """Make the head phantom step by step, for callers with an event loop of their own.

        A generator: it yields how much is done, 0..1, and returns the list of nodes. It may be closed at any time; the
        scene is then as it was.
        """
        from AMIFusionLib.phantom.head import head_phantom_steps
        from AMIFusionLib.phantom.nodes import add_phantom_volume

        volumes = yield from head_phantom_steps()
        return [add_phantom_volume(slicer.mrmlScene, volume) for volume in volumes.values()]


class AMIFusionTest(ScriptedLoadableModuleTest):
    """Self-test on the head phantom."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        from AMIFusionLib.phantom.head import head_phantom

        self.volumes = head_phantom()
        for test in (self.test_marked_and_clean, self.test_color, self.test_wrong_license, self.test_cancel):
            self.setUp()
            self.delayDisplay(test.__doc__)
            test()

    def phantom(self):
        """The phantom's nodes by name."""
        from AMIFusionLib.phantom.nodes import add_phantom_volume

        nodes = (add_phantom_volume(slicer.mrmlScene, volume) for volume in self.volumes.values())
        return {node.GetName(): node for node in nodes}

    def test_marked_and_clean(self):
        """A result is marked without a license and clean with one, at the reference's place."""
        import numpy as np

        logic, nodes = AMIFusionLogic(), self.phantom()
        reference, moving = nodes["PhantomMRT2"], nodes["PhantomCT"]
        before = slicer.util.arrayFromVolume(moving).copy()
        marked = logic.fuse(reference, moving)
        clean = logic.fuse(reference, moving, license=logic.evaluationLicense())
        self.assertEqual(marked.GetAttribute("AMIFusion.Authorized"), "false")
        self.assertEqual(clean.GetAttribute("AMIFusion.Authorized"), "true")
        for result in (marked, clean):
            geometries = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
            for node, matrix in zip((reference, result), geometries):
                node.GetIJKToRASMatrix(matrix)
            difference = max(
                abs(geometries[0].GetElement(i, j) - geometries[1].GetElement(i, j)) for i in range(4) for j in range(4)
            )
            self.assertEqual(difference, 0)
        arrays = [slicer.util.arrayFromVolume(node).astype(float) / 4095 for node in (marked, clean)]
        error = np.mean((arrays[0] - arrays[1]) ** 2)
        self.assertLess(-10 * np.log10(error), 20)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(moving), before)

    def test_color(self):
        """PET keeps its colors."""
        logic, nodes = AMIFusionLogic(), self.phantom()
        result = logic.fuse(nodes["PhantomMRT1"], nodes["PhantomPET"], license=logic.evaluationLicense())
        self.assertTrue(result.IsA("vtkMRMLVectorVolumeNode"))
        array = slicer.util.arrayFromVolume(result).astype(int)
        self.assertGreater((array.max(axis=-1) - array.min(axis=-1)).max(), 100)

    def test_wrong_license(self):
        """A license that does not hold leads to the marked result and a sentence."""
        logic, nodes = AMIFusionLogic(), self.phantom()
        spoiled = logic.evaluationLicense().strip()[:-8]
        self.assertIn("license", logic.authorization(spoiled).problem)
        result = logic.fuse(nodes["PhantomMRT2"], nodes["PhantomCT"], license=spoiled)
        self.assertEqual(result.GetAttribute("AMIFusion.Authorized"), "false")

    def test_cancel(self):
        """A canceled fusion leaves no node behind."""
        logic, nodes = AMIFusionLogic(), self.phantom()
        count = slicer.mrmlScene.GetNumberOfNodes()
        steps = logic.fuseSteps(nodes["PhantomMRT2"], nodes["PhantomCT"])
        self.assertLess(next(steps).fraction, 1)
        steps.close()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)
