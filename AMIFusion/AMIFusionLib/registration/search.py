"""Moves a pose uphill on SimpleITK's mutual information, at one resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK

from AMIFusionLib.arrays import Array

from .errors import NoCommonSpaceError
from .images import SpatialImage
from .simpleitk_images import rigid_pose, shrunk, simpleitk_image

_BINS = 32

_RELAXATION = 0.8
"""What a step is multiplied by each time the way turns back. Measured on the head phantom: with 0.5, SimpleITK's
default, 2 of 8 alignments of CT to MR ended 0.5 to 2 mm away, with 0.8 all within 0.25 mm."""

_LEAST_GRADIENT = 1e-12
"""Never reached: the steps' length ends a search."""

_SIGNS_OF_LOSS = ("map outside", "mapped to outside", "more overlap", "Zero-valued spacing")
"""In what ITK's metric says where hardly a sample lies within the moving image, or one image has one value there."""

_TURNED_SHARE = 0.5
"""Of the root mean square distance of the fixed image's voxels from its middle: what a radian moves the image by."""


@dataclass(frozen=True)
class Level:
    """How one pass works.

    Attributes:
        shrinking: edge of the blocks of voxels that are averaged, in voxels of the working copy (2 mm for a head).
        smoothing: standard deviation of a Gaussian, in the same unit.
        samples: points to compare the images at.
        first_step, last_step: how far a pose moves in one iteration, in the same unit.
        iterations: most of them.
    """

    shrinking: int
    smoothing: float
    samples: int
    first_step: float
    last_step: float
    iterations: int


LEVELS = (
    Level(4, 2.5, 10_000, 2.0, 0.1, 100),
    Level(2, 1.0, 20_000, 0.5, 0.05, 60),
    Level(1, 0.0, 40_000, 0.2, 0.01, 60),
)
"""Of an alignment, from coarse to fine."""

CHECKED_LEVELS = (Level(4, 2.5, 10_000, 2.0, 0.1, 100), Level(2, 1.0, 20_000, 0.5, 0.1, 60))
"""Of a check."""


class PoseSearch:
    """A pose on its way uphill from one image to another.

    What it climbs is the mutual information of D. Mattes et al., "PET-CT image registration in the chest using
    free-form deformations", IEEE Transactions on Medical Imaging 22, 2003, by a regular step gradient ascent. It works
    in one thread: the same images, levels and seed give the same pose to the bit.

    Args:
        fixed, moving: working copies.
        shift: (3,) RAS millimeters from the fixed image's points to the moving image's, to begin with.
        seed: 0 or more, of the random points.

    Attributes:
        images: both for SimpleITK.
        pose: SimpleITK.VersorRigid3DTransform from the fixed image's points to the moving image's.
        iterations: so far.
    """

    def __init__(self, fixed: SpatialImage, moving: SpatialImage, shift: Array, seed: int) -> None:
        self.images = [simpleitk_image(image) for image in (fixed, moving)]
        self.pose = rigid_pose(fixed.center, shift)
        self.iterations = 0
        self._unit, self._seed = float(fixed.spacing.min()), seed
        self._names = fixed.name, moving.name

    def at(self, level: Level) -> list[SimpleITK.Image]:
        """Both images as a level looks at them."""
        return [shrunk(image, level.shrinking * self._unit, level.smoothing * self._unit) for image in self.images]

    def climb(self, images: list[SimpleITK.Image], level: Level, go_on: Callable[[float], bool]) -> None:
        """Move the pose.

        Args:
            images: of ``at``.
            level: how.
            go_on: takes the mutual information of each pose, in nats, and says whether to go on from there.

        Raises:
            NoCommonSpaceError: hardly a point lies within the moving image, or one of the images has one value there.
        """
        method = self._method(images[0], level)

        def on_iteration() -> None:
            self.iterations += 1
            if not go_on(-method.GetMetricValue()):
                method.StopRegistration()

        method.AddCommand(SimpleITK.sitkIterationEvent, on_iteration)
        try:
            method.Execute(*images)
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _SIGNS_OF_LOSS):
                raise
            raise NoCommonSpaceError.of(*self._names) from error
        finally:
            # The command holds the method, which holds the command.
            method.RemoveAllCommands()

    def _method(self, fixed: SimpleITK.Image, level: Level) -> SimpleITK.ImageRegistrationMethod:
        method = SimpleITK.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        # More would be added up in any order, which changes the last digits.
        method.SetNumberOfWorkUnits(1)
        method.SetMetricAsMattesMutualInformation(_BINS)
        method.SetMetricSamplingStrategy(method.RANDOM)
        # A seed of 0 means the clock there.
        method.SetMetricSamplingPercentage(min(1.0, level.samples / fixed.GetNumberOfPixels()), self._seed + 1)
        # Gradients at the samples alone; over whole images they take as long as all iterations.
        method.MetricUseFixedImageGradientFilterOff()
        method.MetricUseMovingImageGradientFilterOff()
        method.SetInterpolator(SimpleITK.sitkLinear)
        first, last = level.first_step * self._unit, level.last_step * self._unit
        method.SetOptimizerAsRegularStepGradientDescent(first, last, level.iterations, _RELAXATION, _LEAST_GRADIENT)
        # A versor is half its angle. The scales of SimpleITK's own estimators end 0.2 to 5 mm farther away.
        method.SetOptimizerScales([(2 * _turning_radius(fixed)) ** 2] * 3 + [1.0] * 3)
        method.SetInitialTransform(self.pose, inPlace=True)
        return method


def _turning_radius(image: SimpleITK.Image) -> float:
    """Millimeters that a radian about the image's middle counts as."""
    extents = np.array(image.GetSize()) * image.GetSpacing()
    return _TURNED_SHARE * float(np.sqrt((extents**2).sum() / 12))
