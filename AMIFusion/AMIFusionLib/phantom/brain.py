"""What lies within the skull: folded cortex, white matter, ventricles, deep nuclei, cerebellum, dura and lesions.

Everything is in RAS millimeters: +x is the patient's right, +y anterior, +z superior.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .shapes import Painting, Region, Space, joined
from .skull import posterior_fossa_distance

_RIM_MILLIMETERS = 2.6
_CORTEX_MILLIMETERS = 2.9
_FOLD_LENGTH = 3.3

LESION_CENTERS = {
    "calcification": (27.0, 36.0, 14.0),
    "edema": (-31.0, 28.0, 19.0),
    "hot_lesion": (36.0, -44.0, 18.0),
}
"""RAS millimeters; each seed moves them a little. All three meet the axial plane at z = 16."""

_BEDS = {"calcification": 9.0, "hot_lesion": 14.5}
"""How far the furrows keep from a lesion's center, in millimeters, so that it lies in nothing but white matter."""


def paint_brain(painting: Painting, space: Space, cavity: np.ndarray, rng: np.random.Generator) -> None:
    """Paint all that lies within the skull.

    Args:
        painting: receives the layers.
        space: the grid.
        cavity: ``skull.intracranial_distance`` on the whole grid.
        rng: moves the lesions.
    """
    centers = {name: np.add(center, rng.uniform(-1.5, 1.5, 3)) for name, center in LESION_CENTERS.items()}
    brain = space.region((-75, -98, -88), (75, 90, 84))
    depth = -cavity[brain.box] - _RIM_MILLIMETERS
    painting.paint("csf", brain, cavity[brain.box])
    canal = brain.tube([(0, -24, -54, 13), (0, -34, -92, 11)])
    painting.paint("csf", brain, canal)
    _paint_cerebrum(painting, space, brain, depth, centers)
    _paint_cerebellum(painting, space, cavity)
    _paint_deep_structures(painting, space)
    _paint_dura(painting, brain, cavity[brain.box])
    _paint_lesions(painting, space, centers)


def _brainstem(brain: Region) -> np.ndarray:
    midbrain = brain.tube([(0, -17, 0, 13), (0, -20, -20, 14)])
    pons = brain.ellipsoid((0, -15, -31), (18, 13, 14))
    medulla = brain.tube([(0, -20, -42, 11), (0, -27, -60, 7.5), (0, -33, -92, 6.5)])
    return joined(joined(midbrain, pons, 6), medulla, 6)


def _callosal_distance(brain: Region) -> np.ndarray:
    """The distance to the core that the corpus callosum bounds, where the hemispheres are joined."""
    return brain.ellipsoid((0, -5, 4), (90, 39, 25))


def _fissures(space: Space, brain: Region) -> np.ndarray:
    """The distance to the large clefts: between the hemispheres, Sylvian, and the basal cisterns."""
    side = np.abs(brain.x)
    midline = np.maximum(side - 1.5, -_callosal_distance(brain))
    waves = [scale * space.noise(8, brain) for scale in (1.4, 1.8)]
    y, z = brain.y + 3 * waves[1], brain.z + 1.5 * waves[0]
    level = 4 - 0.38 * (y - 4)
    beyond_opening = np.maximum.reduce([39 - side, np.abs(y - 3) - 33, np.zeros_like(side)])
    opening = np.hypot(0.93 * (z - level), beyond_opening) - 0.8
    outline = np.hypot((y - 4) / 23, (z - 4) / 14) - 1
    curve = side - 41.5 + waves[0] + 0.008 * np.minimum((y - 6) ** 2, 600)
    insula = np.hypot(curve, 14 * np.maximum(outline, 0)) - 1.1
    around_stem = np.maximum(_brainstem(brain) - 3.5, brain.z + 3)
    suprasellar = brain.ellipsoid((0, 10, -14), (13, 12, 7))
    return np.minimum.reduce([midline, joined(opening, insula, 3), joined(around_stem, suprasellar, 4)])


def _paint_cerebrum(painting: Painting, space: Space, brain: Region, depth: np.ndarray, centers: dict) -> None:
    surface = np.minimum(depth, _fissures(space, brain))
    surface = np.minimum(surface, posterior_fossa_distance(brain) - 1.2)
    to_sulci = _sulci(space, brain, surface, centers)
    for name, radius in _BEDS.items():
        to_sulci = np.maximum(to_sulci, radius - np.sqrt(_squared_distance(brain, centers[name])))
    to_fluid = np.minimum(surface, to_sulci)
    painting.paint("gray_matter", brain, -to_fluid)
    painting.paint("white_matter", brain, _CORTEX_MILLIMETERS - to_fluid)
    core = _callosal_distance(brain)
    width = 12 + 3 * space.noise(9, brain)
    callosum = np.maximum.reduce([np.abs(core + 3.4) - 3.2, -2 - brain.z, np.abs(brain.x) - width])
    painting.paint("white_matter", brain, callosum)


def _sulci(space: Space, brain: Region, surface: np.ndarray, centers: dict) -> np.ndarray:
    """The distance to the furrows of the cortex.

    They are the sheets on which a noise changes its sign. The noise is read at the nearest point of the brain's
    surface, so that a sheet goes straight in from there, as a furrow does.
    """
    smooth = ndimage.gaussian_filter(surface, 1.5)
    inward = np.gradient(smooth)
    fold = _folding_noise(space, brain, smooth, inward)
    slope = _length(np.gradient(fold))
    typical = float(slope.mean())
    sheet = np.abs(fold) / np.maximum(slope, 0.8 * typical)
    reach = 14.5 + 4 * space.noise(11, brain) - 4 * np.exp(-((brain.x / 15) ** 2))
    for center in centers.values():
        reach -= 9 * np.exp(-_squared_distance(brain, center) / (2 * 10.0**2))
    # Half way between two surfaces the nearest point jumps from one to the other: no furrow gets near there.
    jump = np.maximum(0.8 - _length(inward), 0) * (surface > 4)
    reach -= 80 * ndimage.gaussian_filter(jump, 2.5)
    beyond = np.maximum(surface - np.maximum(reach, 2), 0)
    width = 0.55 + 0.9 * np.exp(-np.maximum(surface, 0) / 4)
    return np.sqrt(sheet**2 + beyond**2) - width


def _folding_noise(space: Space, brain: Region, depth: np.ndarray, inward: list[np.ndarray]) -> np.ndarray:
    noise = space.noise(_FOLD_LENGTH) - 0.7 * space.noise(2 * _FOLD_LENGTH)
    # The read goes past the surface, so that the two walls of the midline fissure do not read the same folds.
    step = np.clip(depth, 0, 25) + 5
    indices = np.indices(depth.shape, np.float32, sparse=True)
    at = [
        index + s.start + step * (0.35 * space.noise(20, brain) + 0.06 * space.noise(7, brain) - g)
        for index, s, g in zip(indices, brain.box, inward)
    ]
    return ndimage.map_coordinates(noise, at, np.float32, order=1, mode="nearest")


def _length(vector: list[np.ndarray]) -> np.ndarray:
    return np.sqrt(sum(part * part for part in vector))


def _squared_distance(region: Region, center) -> np.ndarray:
    x, y, z = (float(c) for c in center)
    return (region.x - x) ** 2 + (region.y - y) ** 2 + (region.z - z) ** 2


def _paint_cerebellum(painting: Painting, space: Space, cavity: np.ndarray) -> None:
    part = space.region((-62, -98, -84), (62, 12, 8))
    notch = part.ellipsoid((0, -90, -52), (4, 12, 24))
    cerebellum = np.maximum(posterior_fossa_distance(part) + 1.6, cavity[part.box] + _RIM_MILLIMETERS + 0.5)
    cerebellum = np.maximum.reduce([cerebellum, -notch, part.y + 22])
    rings = part.mirrored().ellipsoid((6, -28, -33), (30, 30, 24))
    rings = rings + 1.6 * space.noise(8, part) + 0.8 * space.noise(3, part)
    folia = 1.3 * np.abs(np.sin(np.pi * rings / 4.2)) - 0.45
    folia = np.where(cerebellum > -10 - 2 * space.noise(6, part), folia, 9.0)
    painting.paint("cerebellar_cortex", part, np.maximum(cerebellum, -folia))
    tree = part.mirrored().ellipsoid((15, -46, -38), (20, 18, 12)) + 2.6 * np.sin(np.pi * rings / 4.2)
    painting.paint("white_matter", part, np.maximum(tree + space.noise(4, part), cerebellum + 4))
    stem = _brainstem(part)
    peduncles = part.mirrored().tube([(9, -24, -32, 7), (18, -40, -36, 7)])
    painting.paint("brainstem", part, np.minimum(stem, peduncles))
    fourth = part.ellipsoid((0, -35, -36), (6.5, 4.5, 11))
    painting.paint("csf", part, fourth)


def _paint_deep_structures(painting: Painting, space: Space) -> None:
    core = space.region((-48, -72, -34), (48, 48, 40))
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


def _paint_dura(painting: Painting, brain: Region, cavity: np.ndarray) -> None:
    core = brain.ellipsoid((0, -5, 4), (90, 44, 31))
    above = posterior_fossa_distance(brain)
    falx = np.maximum.reduce([np.abs(brain.x) - 0.8, -core, cavity, 2 - above, -6 - brain.z])
    tent = np.maximum.reduce([np.abs(above - 0.3) - 0.8, cavity, 20 - np.hypot(brain.x, brain.y + 26), brain.y + 14])
    painting.paint("dura", brain, np.minimum(falx, tent))
    roof = np.maximum(np.abs(brain.x) * 0.9 - 0.6 * (cavity + 7.5), cavity + 0.4)
    painting.paint("venous_blood", brain, np.maximum.reduce([roof, -8 - brain.z, brain.y - 70]))


def _paint_lesions(painting: Painting, space: Space, centers: dict) -> None:
    """All three lie in white matter only, whose clean surroundings make their contrast easy to measure.

    The edema, the largest, spreads between the fibers and stops at the cortex: hence its fingers.
    """
    white = np.clip(2 * painting.fraction("white_matter") - 1, 0, 1)
    for name, radii, roughness, softness in (
        ("edema", (15, 20, 13), 2.2, 2.0),
        ("hot_lesion", (8.5, 9.5, 9), 0.7, 1.2),
        ("calcification", (2.5, 2.8, 2.6), 0.2, 0.8),
    ):
        part = space.region(centers[name] - 40, centers[name] + 40)
        distance = part.ellipsoid(centers[name], radii) + roughness * space.noise(4, part)
        painting.cover(name, part, np.clip(0.5 - distance / softness, 0, 1) * white[part.box])
