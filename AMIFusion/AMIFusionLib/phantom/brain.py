"""What lies within the skull: folded cortex, white matter, ventricles, deep nuclei, cerebellum, dura and lesions.

Everything is in RAS millimeters: +x is the patient's right, +y anterior, +z superior.
"""
from __future__ import annotations

import numpy as np
from scipy import ndimage

from .shapes import LOW, Painting, Region, Space, joined
from .skull import intracranial_distance, posterior_fossa_distance

_RIM_MILLIMETERS = 2.6
_CORTEX_MILLIMETERS = 2.9
_FOLD_LENGTH = 3.6

LESION_CENTERS = {
    "calcification": (27.0, 36.0, 14.0),
    "edema": (-31.0, 26.0, 18.0),
    "hot_lesion": (38.0, -32.0, 18.0),
}
"""RAS millimeters; each seed moves them a little. All three meet the axial plane at z = 15."""

_LESION_BOX = np.array((40.0, 40.0, 34.0))


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
    white = _paint_cerebrum(painting, space, brain, depth, centers)
    _paint_cerebellum(painting, space, brain, depth)
    _paint_deep_structures(painting, space)
    _paint_dura(painting, brain, cavity[brain.box])
    _paint_lesions(painting, space, brain, white, centers)


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
    waves = [scale * space.noise(8)[brain.box] for scale in (1.4, 1.8)]
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


def _paint_cerebrum(painting: Painting, space: Space, brain: Region, depth: np.ndarray, centers: dict) -> np.ndarray:
    """Returns the distance to the edge of its white matter, negative inside."""
    surface = np.minimum(depth, _fissures(space, brain))
    surface = np.minimum(surface, posterior_fossa_distance(brain) - 2.2)
    to_fluid = np.minimum(surface, _sulci(space, brain, surface, centers))
    painting.paint("gray_matter", brain, -to_fluid)
    white = _CORTEX_MILLIMETERS - to_fluid
    painting.paint("white_matter", brain, white)
    core = _callosal_distance(brain)
    callosum = np.maximum.reduce([np.abs(core + 3.4) - 3.2, -2 - brain.z, np.abs(brain.x) - 20])
    painting.paint("white_matter", brain, callosum)
    return white


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
    sheet = np.abs(fold) / np.maximum(slope, 0.5 * typical)
    reach = 13 + 4.5 * space.noise(11)[brain.box]
    for center in centers.values():
        reach -= 9 * np.exp(-_squared_distance(brain, center) / (2 * 11.0 ** 2))
    # Half way between two surfaces the nearest point jumps from one to the other: no furrow gets there.
    reach -= 40 * np.maximum(0.85 - _length(inward), 0) + 6 * np.maximum(slope / typical - 2.2, 0)
    beyond = np.maximum(surface - np.maximum(reach, 2), 0)
    width = 0.55 + 0.9 * np.exp(-np.maximum(surface, 0) / 4)
    return np.sqrt(sheet ** 2 + beyond ** 2) - width


def _folding_noise(space: Space, brain: Region, depth: np.ndarray, inward: list[np.ndarray]) -> np.ndarray:
    noise = space.noise(_FOLD_LENGTH) - 0.7 * space.noise(2 * _FOLD_LENGTH)
    # The read goes past the surface, so that the two walls of the midline fissure do not read the same folds.
    step = np.clip(depth, 0, 25) + 5
    bend = 0.08 * step
    indices = np.indices(depth.shape, np.float32, sparse=True)
    at = [index + s.start - step * g + bend * space.noise(7)[brain.box]
          for index, s, g in zip(indices, brain.box, inward)]
    return ndimage.map_coordinates(noise, at, np.float32, order=1, mode="nearest")


def _length(vector: list[np.ndarray]) -> np.ndarray:
    return np.sqrt(sum(part * part for part in vector))


def _squared_distance(region: Region, center) -> np.ndarray:
    return (region.x - center[0]) ** 2 + (region.y - center[1]) ** 2 + (region.z - center[2]) ** 2


def _paint_cerebellum(painting: Painting, space: Space, brain: Region, depth: np.ndarray) -> None:
    part = space.region((-62, -98, -84), (62, 12, 8))
    inside = -intracranial_distance(part) - _RIM_MILLIMETERS
    notch = part.ellipsoid((0, -90, -52), (4, 12, 24))
    cerebellum = np.maximum.reduce([posterior_fossa_distance(part) + 3, 0.5 - inside, -notch, part.y + 22])
    rings = part.mirrored().ellipsoid((6, -28, -33), (30, 30, 24))
    rings = rings + 1.6 * space.noise(8)[part.box] + 0.8 * space.noise(3)[part.box]
    folia = 1.3 * np.abs(np.sin(np.pi * rings / 4.2)) - 0.45
    folia = np.where(cerebellum > -10 - 2 * space.noise(6)[part.box], folia, 9.0)
    painting.paint("cerebellar_cortex", part, np.maximum(cerebellum, -folia))
    tree = part.mirrored().ellipsoid((15, -46, -38), (20, 18, 12)) + 2.6 * np.sin(np.pi * rings / 4.2)
    painting.paint("white_matter", part, np.maximum(tree + space.noise(4)[part.box], cerebellum + 4))
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
    body = [(15, 34, 1, 1.6), (10, 25, 8, 4.6), (7, 8, 17, 5), (9, -10, 21, 5), (16, -28, 17, 6),
            (24, -38, 9, 7.2), (25, -50, 6, 4.5), (23, -64, 4, 1.8)]
    temporal = [(24, -38, 9, 6.5), (33, -28, -8, 3.6), (31, -6, -19, 2.4), (28, 4, -19, 1.6)]
    lateral = joined(both.tube(body), both.tube(temporal), 3)
    painting.paint("csf", core, lateral)
    head = both.ellipsoid((15.5, 20, 8), (5.6, 11, 8.5), lean=0.05)
    tail = both.tube([(16, 12, 15, 4.2), (18, -10, 20, 2.6), (24, -24, 18, 1.6)])
    painting.paint("caudate", core, joined(head, tail, 3))
    septum = np.maximum(np.abs(core.x) - 0.9, lateral - 1.5)
    painting.paint("white_matter", core, septum)
    third = np.maximum(core.ellipsoid((0, -9, 2), (2.4, 15, 10)), core.z - 9)
    painting.paint("csf", core, third)


def _paint_dura(painting: Painting, brain: Region, cavity: np.ndarray) -> None:
    core = brain.ellipsoid((0, -5, 4), (90, 44, 31))
    above = posterior_fossa_distance(brain)
    falx = np.maximum.reduce([np.abs(brain.x) - 0.8, -core, cavity, 2 - above, -6 - brain.z])
    tent = np.maximum.reduce([np.abs(above - 1.0) - 0.8, cavity, 20 - np.hypot(brain.x, brain.y + 26), brain.y + 14])
    painting.paint("dura", brain, np.minimum(falx, tent))
    roof = np.maximum(np.abs(brain.x) * 0.9 - 0.6 * (cavity + 7.5), cavity + 0.4)
    painting.paint("venous_blood", brain, np.maximum.reduce([roof, -8 - brain.z, brain.y - 70]))


def _paint_lesions(painting: Painting, space: Space, brain: Region, white: np.ndarray, centers: dict) -> None:
    """All three lie in white matter, whose clean surroundings make their contrast easy to measure."""
    rough = space.noise(4)

    def around(name: str) -> Region:
        return space.region(centers[name] - _LESION_BOX, centers[name] + _LESION_BOX)

    part = around("edema")
    blob = part.ellipsoid(centers["edema"], (15, 21, 14)) + 2.2 * rough[part.box]
    offset = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(part.box, brain.box))
    painting.paint("edema", part, np.maximum(blob, white[offset] + 0.4), softness=2.0)
    part = around("hot_lesion")
    painting.paint("hot_lesion", part, part.ellipsoid(centers["hot_lesion"], (8.5, 9.5, 9)) + 0.8 * rough[part.box])
    part = around("calcification")
    grains = part.ellipsoid(centers["calcification"], (2.6, 3.0, 2.8)) + 0.35 * rough[part.box]
    painting.paint("calcification", part, grains, softness=0.8)
