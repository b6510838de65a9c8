"""Modules that a scripted module imports beside Slicer itself: i18n, SampleData, ScreenCapture, PyTorchUtils, pip."""

import os
import re
import sys
import types

import slicer
import vtk

from .records import pip_requests

translations = {}
"""(context, text) to translated text: the translation that is installed."""


def _context(source):
    """A file's context: its name, after that of its folder where the folder is a package."""
    folder, name = os.path.split(source)
    package = [os.path.basename(folder)] if os.path.isfile(os.path.join(folder, "__init__.py")) else []
    return ".".join([*package, name.removesuffix(".py")])


def i18n():
    """`slicer.i18n`; a translation that has other placeholders than its text is not taken, as in Slicer."""
    module = types.ModuleType("slicer.i18n")

    def tr(text):
        translated = module.translate(module.getContext(sys._getframe(1).f_code.co_filename), text)
        names = [set(re.findall(r"(?<!{){([^{}]+)}(?!})", each)) for each in (text, translated)]
        return translated if names[0] == names[1] else text

    module.getContext, module.tr = _context, tr
    module.translate = lambda context, text: translations.get((context, text), text)
    return module


class SampleDataSource:
    """One entry of the sample data module; its button shows its description, or else its first node's name."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileType=None,
        loadFileTypes=None,
        loadFileProperties=None,
    ):
        given = dict(locals())
        given.pop("self")
        for name in ("uris", "fileNames", "nodeNames"):
            if isinstance(given[name], (str, type(None))):
                given[name] = [given[name]]
        self.__dict__.update(given)


class SampleDataLogic:
    """Keeps the registered sources by category; downloads only through a source's own downloader."""

    sources = {}

    @classmethod
    def registerCustomSampleDataSource(
        cls,
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
    ):
        """Register a source; one of the same category and name is replaced.

        Unlike a source itself, this takes no description, and a source without URIs and file names cannot be made.
        """
        source = {name: value for name, value in locals().items() if name not in ("cls", "category")}
        if uris is None or fileNames is None:
            raise TypeError("a sample data source needs uris and fileNames")
        known = cls.sources.setdefault(category, [])
        known[:] = [kept for kept in known if kept.sampleName != sampleName]
        known.append(SampleDataSource(**source))

    def sourceForSampleName(self, name):
        """The source of that name, or None."""
        return next((source for kept in self.sources.values() for source in kept if source.sampleName == name), None)

    def downloadSamples(self, name):
        """Fetch a registered sample through its customDownloader."""
        source = self.sourceForSampleName(name)
        if source is None or source.customDownloader is None:
            raise RuntimeError(f"the emulation downloads nothing: no customDownloader for {name}")
        return source.customDownloader(source)

    def downloadSample(self, name):
        """The first node of a sample."""
        nodes = self.downloadSamples(name)
        return nodes[0] if isinstance(nodes, (list, tuple)) else nodes


def sample_data():
    """The module `SampleData`."""
    module = types.ModuleType("SampleData")
    module.SampleDataSource, module.SampleDataLogic = SampleDataSource, SampleDataLogic
    module.downloadSample = lambda name: SampleDataLogic().downloadSample(name)
    module.downloadSamples = lambda name: SampleDataLogic().downloadSamples(name)
    return module


class ScreenCaptureLogic:
    """Writes what a slice view shows; only one view at a time, and without its annotations, which nothing draws."""

    def captureImageFromView(self, view, filename, transparentBackground=False):
        """Write a view's picture as PNG or JPEG; a picture of less than 2 x 2 pixels raises, as in Slicer."""
        slicer.app.processEvents()
        writer = self.createImageWriter(filename)
        picture = view.qt_object._picture()
        if picture is None or min(picture.GetDimensions()[:2]) < 2:
            raise ValueError("Capture image from view failed")
        opaque = vtk.vtkImageExtractComponents()
        opaque.SetInputData(picture)
        opaque.SetComponents(0, 1, 2)
        writer.SetInputConnection(opaque.GetOutputPort())
        writer.SetFileName(filename)
        writer.Write()

    def createImageWriter(self, filename):
        """The writer for a file name's ending."""
        ending = os.path.splitext(filename)[1].lower()
        if ending == ".png":
            return vtk.vtkPNGWriter()
        if ending in (".jpg", ".jpeg"):
            return vtk.vtkJPEGWriter()
        raise ValueError("Unsupported image format based on file name " + filename)


def screen_capture():
    """The module `ScreenCapture`."""
    module = types.ModuleType("ScreenCapture")
    module.ScreenCaptureLogic = ScreenCaptureLogic
    return module


class PyTorchUtilsLogic:
    """The PyTorch extension's logic. A test sets `installed` and `accepts` on the class."""

    installed = True
    accepts = True
    requests = []

    def torchInstalled(self):
        """Whether torch can be imported without asking anything."""
        return type(self).installed

    def installTorch(
        self,
        askConfirmation=False,
        forceComputationBackend=None,
        torchVersionRequirement=None,
        torchvisionVersionRequirement=None,
    ):
        """Install torch (here: note it down) and give it, or None where the user declines."""
        self.requests.append(
            {
                "askConfirmation": askConfirmation,
                "forceComputationBackend": forceComputationBackend,
                "torchVersionRequirement": torchVersionRequirement,
            }
        )
        if not type(self).accepts:
            return None
        type(self).installed = True
        return self.torch

    @property
    def torch(self):
        """torch, installed first where it is missing."""
        if not self.torchInstalled() and self.installTorch() is None:
            return None
        import torch

        return torch


def pytorch_utils():
    """The module `PyTorchUtils`."""
    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    return module


def pip_install(requirements):
    """Note down what Slicer would install."""
    pip_requests.append(requirements)


def clear():
    """As after a start of Slicer in English, with the PyTorch extension and torch installed."""
    translations.clear()
    PyTorchUtilsLogic.requests.clear()
    PyTorchUtilsLogic.installed = PyTorchUtilsLogic.accepts = True
