"""What lies within the skull: folded cortex, white matter, ventricles, deep nuclei, cerebellum, dura and lesions.

Everything is in RAS millimeters: +x is the patient's right, +y anterior, +z superior.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from AMIFusionLib.arrays import Array

from .folds import FoldNoise, Folds, squared_distance
from .noise import Box, Noise
from .shapes import WARP_REACH, Painting, Region, Space, bounds, box_between, inside, joined, outward
from .skull import posterior_fossa_distance

_RIM_MILLIMETERS = 2.6
_CORTEX_MILLIMETERS = 2.9
_NEAR = 2.0

BRAIN = box_between((-75, -98, -88), (75, 90, 84))
"""The part of the grid that holds the brain."""

_CEREBELLUM = box_between((-62, -98, -84), (62, 12, 8))
_CISTERNS = box_between((-56, -80, -88), (56, 56, 48))
"""Beyond it the skull is nearer than the basal cisterns."""

_CORE = box_between((-48, -72, -34), (48, 48, 40))

LESION_CENTERS = {
    "calcification": (27.0, 36.0, 14.0),
    "edema": (-31.0, 28.0, 19.0),
    "hot_lesion": (36.0, -44.0, 18.0),
}
"""RAS millimeters; each seed moves them a little. All three meet the axial plane at z = 16."""

_BEDS = {"calcification": 9.0, "hot_lesion": 14.5}
"""How far the furrows keep from a lesion's center, in millimeters, so that it lies in nothing but white matter."""

_LESION_SHAPES = {
    "edema": ((15, 20, 13), 2.2, 2.0),
    "hot_lesion": ((8.5, 9.5, 9), 0.7, 1.2),
    "calcification": ((2.5, 2.8, 2.6), 0.2, 0.8),
}
"""Half axes, roughness and softness of the edge, all in millimeters."""


@dataclass(frozen=True)
class BrainNoise:
    """What differs between two brains.

    Attributes:
        centers: RAS millimeters of each lesion.
        fissures: how the Sylvian fissure winds.
        folds: of the cortex.
        callosum: the width of the corpus callosum.
        folia, finer_folia: how the cerebellum's leaves bend.
        leaves: how deep they go.
        tree: of the cerebellum's white matter.
        lesions: each lesion's roughness.
    """

    centers: dict[str, Array]
    fissures: tuple[Noise, Noise]
    folds: FoldNoise
    callosum: Noise
    folia: Noise
    finer_folia: Noise
    leaves: Noise
    tree: Noise
    lesions: dict[str, Noise]

    @classmethod
    def steps(cls, space: Space) -> Generator[None, None, BrainNoise]:
        """Draw it in steps."""
        centers = {name: np.add(center, space.rng.uniform(-1.5, 1.5, 3)) for name, center in LESION_CENTERS.items()}
        winding = yield from space.noise_steps(8, BRAIN)
        fissures = (winding, (yield from space.noise_steps(8, BRAIN)))
        folds = yield from FoldNoise.steps(space, BRAIN)
        drawn: list[Noise] = []
        for length, box in ((9, BRAIN), (8, _CEREBELLUM), (3, _CEREBELLUM), (6, _CEREBELLUM), (4, _CEREBELLUM)):
            drawn.append((yield from space.noise_steps(length, box)))
        lesions = {}
        for name in _LESION_SHAPES:
            lesions[name] = yield from space.noise_steps(4, _lesion_box(name, centers[name]))
        callosum, folia, finer_folia, leaves, tree = drawn
        return cls(centers, fissures, folds, callosum, folia, finer_folia, leaves, tree, lesions)


class Brain:
    """One head's brain: ``prepare`` every slab, go through ``folds.steps()``, then ``paint`` every slab.

    Args:
        noise: what is this brain's own.
    """

    def __init__(self, noise: BrainNoise) -> None:
        self._noise = noise
        shape = [s.stop - s.start for s in BRAIN]
        self._cavity, self._surface = (np.empty(shape, np.float32) for _ in range(2))
        self.folds = Folds(noise.folds, self._surface, BRAIN)

    def prepare(self, painting: Painting, head: Region, cavity: Array, fossa: Array) -> None:
        """Find the brain's surface in a slab, and paint the fluid around it.

        Args:
            painting: receives the layers.
            head: the slab.
            cavity: ``skull.intracranial_distance`` there.
            fossa: ``skull.posterior_fossa_distance`` there.
        """
        brain = head.within(BRAIN)
        if brain is None:
            return
        cavity, fossa = (distance[inside(brain.box, head.box)] for distance in (cavity, fossa))
        at = inside(brain.box, BRAIN)
        self._cavity[at] = cavity
        surface = np.minimum(-cavity - _RIM_MILLIMETERS, _fissures(brain, self._noise), out=self._surface[at])
        np.minimum(surface, fossa - 1.2, out=surface)
        painting.paint("csf", brain, cavity)
        painting.paint("csf", brain, brain.tube([(0, -24, -54, 13), (0, -34, -92, 11)]))

    def part(self, slab: Box) -> Box | None:
        """What of a slab of ``BRAIN`` may hold anything to paint; None where nothing does."""
        inner = bounds(self._cavity[inside(slab, BRAIN)], _NEAR)
        return None if inner is None else outward(inner, slab)

    def paint(self, painting: Painting, brain: Region) -> None:
        """Paint what lies within the skull.

        Args:
            painting: has received the skull and what ``prepare`` painted.
            brain: ``part`` of a slab.
        """
        at = inside(brain.box, BRAIN)
        cavity, fossa = self._cavity[at], posterior_fossa_distance(brain)
        self._paint_cerebrum(painting, brain, self._surface[at])
        cerebellum = brain.within(_CEREBELLUM)
        if cerebellum is not None:
            part = inside(cerebellum.box, brain.box)
            _paint_cerebellum(painting, cerebellum, cavity[part], fossa[part], self._noise)
        _paint_deep_structures(painting, brain.within(_CORE))
        _paint_dura(painting, brain, cavity, fossa)
        _paint_lesions(painting, brain, self._noise)

    def _paint_cerebrum(self, painting: Painting, brain: Region, surface: Array) -> None:
        centers = self._noise.centers
        to_sulci = self.folds.distance(brain, centers.values())
        for name, radius in _BEDS.items():
            bed = squared_distance(brain, centers[name])
            np.maximum(to_sulci, np.subtract(radius, np.sqrt(bed, out=bed), out=bed), out=to_sulci)
        to_fluid = np.minimum(surface, to_sulci)
        painting.paint("gray_matter", brain, -to_fluid)
        painting.paint("white_matter", brain, _CORTEX_MILLIMETERS - to_fluid)
        core = _callosal_distance(brain)
        width = 12 + 3 * self._noise.callosum.read(brain.box)
        callosum = np.maximum.reduce([np.abs(core + 3.4) - 3.2, -2 - brain.z, np.abs(brain.x) - width])
        painting.paint("white_matter", brain, callosum)


def _brainstem(brain: Region) -> Array:
    midbrain = brain.tube([(0, -17, 0, 13), (0, -20, -20, 14)])
    pons = brain.ellipsoid((0, -15, -31), (18, 13, 14))
    medulla = brain.tube([(0, -20, -42, 11), (0, -27, -60, 7.5), (0, -33, -92, 6.5)])
    return joined(joined(midbrain, pons, 6), medulla, 6)


def _callosal_distance(brain: Region) -> Array:
    """The distance to the core that the corpus callosum bounds, where the hemispheres are joined."""
    return brain.ellipsoid((0, -5, 4), (90, 39, 25))


def _fissures(brain: Region, noise: BrainNoise) -> Array:
    """The distance to the large clefts: between the hemispheres, Sylvian, and the basal cisterns."""
    side = np.abs(brain.x)
    midline = np.maximum(side - 1.5, -_callosal_distance(brain))
    waves = [scale * each.read(brain.box) for scale, each in zip((1.4, 1.8), noise.fissures)]
    y, z = brain.y + 3 * waves[1], brain.z + 1.5 * waves[0]
    level = 4 - 0.38 * (y - 4)
    beyond_opening = np.maximum.reduce([39 - side, np.abs(y - 3) - 33, np.zeros_like(side)])
    opening = np.hypot(0.93 * (z - level), beyond_opening) - 0.8
    outline = np.hypot((y - 4) / 23, (z - 4) / 14) - 1
    curve = side - 41.5 + waves[0] + 0.008 * np.minimum((y - 6) ** 2, 600)
    insula = np.hypot(curve, 14 * np.maximum(outline, 0)) - 1.1
    clefts: Array = np.minimum(midline, joined(opening, insula, 3))
    part = brain.within(_CISTERNS)
    if part is not None:
        around_stem = np.maximum(_brainstem(part) - 3.5, part.z + 3)
        suprasellar = part.ellipsoid((0, 10, -14), (13, 12, 7))
        near = clefts[inside(part.box, brain.box)]
        np.minimum(near, joined(around_stem, suprasellar, 4), out=near)
    return clefts


def _paint_cerebellum(painting: Painting, part: Region, cavity: Array, fossa: Array, noise: BrainNoise) -> None:
    notch = part.ellipsoid((0, -90, -52), (4, 12, 24))
    cerebellum = np.maximum(fossa + 1.6, cavity + _RIM_MILLIMETERS + 0.5)
    cerebellum = np.maximum.reduce([cerebellum, -notch, part.y + 22])
    rings = part.mirrored().ellipsoid((6, -28, -33), (30, 30, 24))
    rings = rings + 1.6 * noise.folia.read(part.box) + 0.8 * noise.finer_folia.read(part.box)
    folia = 1.3 * np.abs(np.sin(np.pi * rings / 4.2)) - 0.45
    folia = np.where(cerebellum > -10 - 2 * noise.leaves.read(part.box), folia, 9.0)
    painting.paint("cerebellar_cortex", part, np.maximum(cerebellum, -folia))
    tree = part.mirrored().ellipsoid((15, -46, -38), (20, 18, 12)) + 2.6 * np.sin(np.pi * rings / 4.2)
    painting.paint("white_matter", part, np.maximum(tree + noise.tree.read(part.box), cerebellum + 4))
    stem = _brainstem(part)
    peduncles = part.mirrored().tube([(9, -24, -32, 7), (18, -40, -36, 7)])
    painting.paint("brainstem", part, np.minimum(stem, peduncles))
    fourth = part.ellipsoid((0, -35, -36), (6.5, 4.5, 11))
    painting.paint("csf", part, fourth)


def _paint_deep_structures(painting: Painting, core: Region | None) -> None:
    if core is None:
        return
    both = core.mirrored()
    painting.paint("putamen", core, both.ellipsoid((27, 5, 3), (5.2, 16, 9.5), lean=-0.22))
    painting.paint("pallidum", core, both.ellipsoid((20, 2, 1), (4.2, 9.5, 6), lean=-0.28))
    painting.paint("thalamus", core, both.ellipsoid((11, -14, 7), (8.5, 15, 9.5), lean=-0.28))
    body = [
        (17, 36, 1, 1.8),
        (11, 27, 8, 5.2),
        (7.5, 9, 17, 5.8),
        (9.5, -10, 21, 5.4),
        (16, -28, 17, 6.2),
        (24, -38, 9, 7.2),
        (25, -50, 6, 4.5),
        (23, -64, 4, 1.8),
    ]
    temporal = [(24, -38, 9, 6.5), (33, -28, -8, 3.6), (31, -6, -19, 2.4), (28, 4, -19, 1.6)]
    lateral = joined(both.tube(body), both.tube(temporal), 3)
    painting.paint("csf", core, lateral)
    head = both.ellipsoid((16, 20, 8), (5.4, 11, 8.5), lean=0.12)
    tail = both.tube([(16, 12, 15, 4.2), (18, -10, 20, 2.6), (24, -24, 18, 1.6)])
    painting.paint("caudate", core, joined(head, tail, 3))
    septum = np.maximum(np.abs(core.x) - 0.9, lateral - 1.5)
    painting.paint("white_matter", core, septum)
    third = core.ellipsoid((0, -9, 2), (2.4, 15, 10))
    third = np.maximum.reduce([third, core.z - 9, -4 - 0.6 * (core.y + 8) - core.z])
    painting.paint("csf", core, third)


def _paint_dura(painting: Painting, brain: Region, cavity: Array, above: Array) -> None:
    core = brain.ellipsoid((0, -5, 4), (90, 44, 31))
    falx = np.maximum.reduce([np.abs(brain.x) - 0.8, -core, cavity, 2 - above, -6 - brain.z])
    tent = np.maximum.reduce([np.abs(above - 0.3) - 0.8, cavity, 20 - np.hypot(brain.x, brain.y + 26), brain.y + 14])
    painting.paint("dura", brain, np.minimum(falx, tent))
    roof = np.maximum(np.abs(brain.x) * 0.9 - 0.6 * (cavity + 7.5), cavity + 0.4)
    painting.paint("venous_blood", brain, np.maximum.reduce([roof, -8 - brain.z, brain.y - 70]))


def _paint_lesions(painting: Painting, brain: Region, noise: BrainNoise) -> None:
    """All three lie in white matter only, whose clean surroundings make their contrast easy to measure.

    The edema, the largest, spreads between the fibers and stops at the cortex: hence its fingers.
    """
    painted = {}
    for name, (radii, roughness, softness) in _LESION_SHAPES.items():
        part = brain.within(_lesion_box(name, noise.centers[name]))
        if part is None:
            continue
        distance = part.ellipsoid(noise.centers[name], radii) + roughness * noise.lesions[name].read(part.box)
        inner = bounds(distance, softness / 2)
        if inner is not None:
            box = outward(inner, part.box)
            white = np.clip(2 * painting.fraction(box, "white_matter") - 1, 0, 1)
            painted[name] = box, np.clip(0.5 - distance[inner] / softness, 0, 1) * white
    for name, (box, fraction) in painted.items():
        painting.cover(name, box, fraction)


def _lesion_box(name: str, center: Array) -> Box:
    radii, roughness, softness = _LESION_SHAPES[name]
    reach = np.add(radii, 6 * roughness + softness + WARP_REACH)
    return box_between(center - reach, center + reach)
