"""Building the synthetic head in steps: noise, skull, folds, brain, in slabs of the 1 mm grid."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from AMIFusionLib.arrays import Array

from .brain import BRAIN, Brain, BrainNoise
from .modalities import Modality
from .noise import Noise
from .shapes import SHAPE, Painting, Space, box_between, slabs_of
from .skull import SkullNoise, intracranial_distance, paint_head, posterior_fossa_distance

T = TypeVar("T")


@dataclass(frozen=True)
class Head:
    """A head on the 1 mm grid.

    Attributes:
        painting: its tissues.
        texture: (z, y, x) float16 of unit deviation: how the tissues' values vary.
        shading: (z, y, x) float16 of unit deviation: what an MR's bias field follows.
    """

    painting: Painting
    texture: Array
    shading: Array

    def field_steps(
        self, values: list[dict[str, float | None]], modalities: list[Modality], planes: slice
    ) -> Generator[None, None, list[Array]]:
        """What modalities see above their backgrounds, before their blur, in steps.

        Args:
            values: for each modality by tissue.
            modalities: one or more.
            planes: those of the 1 mm grid to compute; the others stay 0.

        Returns:
            (z, y, x) float32 of the 1 mm grid for each modality.
        """
        fields = [np.zeros(SHAPE, np.float32) for _ in modalities]
        for slab in slabs_of((planes, *box_between()[1:])):
            box = self.painting.painted_box(slab)
            if box is not None:
                backgrounds = [modality.background for modality in modalities]
                texture, shading = (each[box].astype(np.float32) for each in (self.texture, self.shading))
                composed = self.painting.composed(box, values, backgrounds)
                for field, values_here, modality in zip(fields, composed, modalities):
                    values_here -= modality.background
                    values_here *= 1 + modality.texture * texture
                    if modality.shading:
                        values_here *= 1 + modality.shading * shading
                    field[box] = values_here
            yield
        return fields

    def fraction(self, tissue: str, hidden: Collection[str] = ()) -> Array:
        """The share of each millimeter that one tissue has when others are left out, (z, y, x) float32."""
        whole = np.zeros(SHAPE, np.float32)
        for slab in slabs_of(box_between()):
            whole[slab] = self.painting.fraction(slab, tissue, hidden)
        return whole


def head_steps(seed: int) -> Generator[float, None, Head]:
    """Build a head in steps.

    Args:
        seed: everything random follows from it.

    Yields:
        How much is done, 0..1.

    Returns:
        The head.
    """
    space = yield from paced(Space.steps(np.random.default_rng(seed)), 0.0, 0.05, 12)
    skull = yield from paced(SkullNoise.steps(space), 0.05, 0.2, 40)
    noise = yield from paced(BrainNoise.steps(space), 0.2, 0.35, 60)
    head = Head(Painting(), np.empty(SHAPE, np.float16), np.empty(SHAPE, np.float16))
    yield from paced(_texture_steps(space, head), 0.35, 0.5, 110)
    brain = Brain(noise)
    yield from paced(_outer_steps(space, head.painting, skull, brain), 0.5, 0.7, 93)
    yield from paced(brain.folds.steps(), 0.7, 0.85, 270)
    yield from paced(_inner_steps(space, head.painting, brain), 0.85, 1.0, 87)
    return head


def paced(steps: Generator[None, None, T], start: float, stop: float, count: int) -> Generator[float, None, T]:
    """Tell how far a part's steps have come of a whole.

    Args:
        steps: a generator.
        start, stop: the part's share of the whole, within 0..1.
        count: about how many steps it has.
    """
    done = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        done += 1
        yield start + (stop - start) * min(done / count, 1)


def _texture_steps(space: Space, head: Head) -> Generator[None, None, None]:
    fine = yield from space.noise_steps(2)
    coarse = yield from space.noise_steps(7)
    shading: Noise = yield from space.noise_steps(60)
    for slab in slabs_of(box_between()):
        head.texture[slab] = 0.8 * fine.read(slab) + 0.6 * coarse.read(slab)
        head.shading[slab] = shading.read(slab)
        yield


def _outer_steps(space: Space, painting: Painting, noise: SkullNoise, brain: Brain) -> Generator[None, None, None]:
    for slab in slabs_of(box_between()):
        head = space.region(slab)
        fossa = posterior_fossa_distance(head)
        cavity = intracranial_distance(head, fossa)
        paint_head(painting, head, cavity, noise)
        brain.prepare(painting, head, cavity, fossa)
        yield


def _inner_steps(space: Space, painting: Painting, brain: Brain) -> Generator[None, None, None]:
    for slab in slabs_of(BRAIN):
        part = brain.part(slab)
        if part is not None:
            brain.paint(painting, space.region(part))
        yield
