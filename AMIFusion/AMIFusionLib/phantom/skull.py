"""The outside of the head: skull, scalp, face, orbits, ears and the air spaces.

Everything is in RAS millimeters: +x is the patient's right, +y anterior, +z superior; the origin lies near the
anterior commissure, in the middle of the head.
"""

from __future__ import annotations

import numpy as np

from .shapes import Painting, Region, Space, joined

_SCALP_MILLIMETERS = 6.0
_SKIN_MILLIMETERS = 1.8


def intracranial_distance(head: Region) -> np.ndarray:
    """The distance to the space within the skull, negative inside.

    Not an ellipsoid: the vault is widest behind the middle, cut at the floor of the anterior fossa, and joined with
    the middle and posterior fossae.
    """
    narrowing = 1 + 0.0009 * (head.y + 18)
    vault = Region(head.box, np.abs(head.x) * narrowing, head.y, head.z)
    cerebrum = vault.ellipsoid((0, -4, 10), (68, 86, 65))
    floor = -15 + 9 / (1 + np.exp((34 - head.y) / 6))
    cerebrum = -joined(-cerebrum, head.z - floor, 8)
    temporal = vault.ellipsoid((39, 10, -17), (27, 38, 22))
    cavity = joined(joined(cerebrum, temporal, 10), posterior_fossa_distance(head), 6)
    return -joined(-cavity, _petrous_distance(vault), 5)


def _petrous_distance(right: Region) -> np.ndarray:
    """The distance to the petrous ridges, which part the middle fossa from the posterior one."""
    return right.tube([(15, 1, -37, 5), (36, -13, -33, 6.5), (58, -25, -31, 9)])


def posterior_fossa_distance(head: Region) -> np.ndarray:
    """The distance to the space below the tentorium, around cerebellum and brainstem, negative inside."""
    return joined(head.ellipsoid((0, -50, -40), (54, 38, 33)), head.ellipsoid((0, -16, -40), (20, 21, 34)), 8)


def paint_head(painting: Painting, space: Space, cavity: np.ndarray) -> None:
    """Paint all that lies outside the brain's cavity.

    Args:
        painting: receives the layers.
        space: the grid.
        cavity: ``intracranial_distance`` on the whole grid.
    """
    head = space.region()
    thickness = 6.6 + 0.7 * space.noise(14) + 2.0 * np.exp(-((head.y + 88) ** 2 + head.z**2) / 900)
    thickness += 4.5 * np.exp(-(head.x**2) / 900 - (head.y - 84) ** 2 / 400 - (head.z + 2) ** 2 / 250)
    skin = _paint_soft_tissue(painting, space, head, cavity - thickness)
    _paint_skull(painting, space, head, cavity, thickness)
    _paint_base(painting, space)
    _paint_air_spaces(painting, space)
    _paint_frontal_sinus(painting, space, cavity, thickness)
    _paint_orbits(painting, space, skin)


def _paint_soft_tissue(painting: Painting, space: Space, head: Region, skull: np.ndarray) -> np.ndarray:
    """Returns the distance to the skin's surface, negative inside."""
    both = head.mirrored()
    skin = skull - _SCALP_MILLIMETERS
    nose = both.tube([(0, 83, -14, 6), (0, 92, -46, 12)])
    face = joined(joined(both.ellipsoid((0, 34, -56), (64, 52, 62)), nose, 12), _eyelids(both), 6)
    neck = both.ellipsoid((0, -34, -92), (60, 62, 66))
    skin = joined(joined(skin, face, 16), neck, 24)
    ear = both.ellipsoid((79, -17, -24), (3.2, 17, 29), lean=-0.35)
    skin = joined(skin, ear, 4)
    painting.paint("skin", head, skin)
    painting.paint("fat", head, skin + _SKIN_MILLIMETERS + 0.4 * space.noise(8))
    painting.paint("skin", head, np.minimum(ear + 0.4, nose + 3))
    strands = 1.6 * space.noise(4)
    deep = np.maximum(skin + 5.5 + 0.8 * strands, head.z + 28 + 0.25 * np.abs(head.y) + 2 * strands)
    temporalis = np.maximum(both.ellipsoid((64, 22, -14), (15, 30, 42)), skin + 3.6)
    painting.paint("muscle", head, np.minimum(deep, temporalis) + 0.5 * strands)
    return skin


def _eyelids(right: Region) -> np.ndarray:
    return right.ellipsoid((32, 66, -25), (15, 14.5, 14))


def _paint_skull(painting: Painting, space: Space, head: Region, cavity: np.ndarray, thickness: np.ndarray) -> None:
    painting.paint("cortical_bone", head, cavity - thickness)
    tables = 1.9 + 0.35 * space.noise(9)
    marrow = np.maximum(cavity - thickness + tables, tables - cavity)
    marrow = np.maximum(marrow, -2 - head.z)
    painting.paint("diploe", head, marrow)


def _paint_base(painting: Painting, space: Space) -> None:
    base = space.region((-75, -80, -88), (75, 80, 0)).mirrored()
    petrous = _petrous_distance(base)
    mastoid = base.ellipsoid((57, -28, -46), (10, 13, 20))
    sphenoid = base.ellipsoid((0, 22, -28), (24, 20, 13))
    clivus = base.tube([(0, 8, -30, 8), (0, -6, -62, 6)])
    wing = base.tube([(14, 30, -14, 4), (44, 42, -16, 4)])
    bone = np.minimum.reduce([joined(petrous - 1, mastoid, 6), sphenoid, clivus, wing])
    painting.paint("cortical_bone", base, bone)
    painting.paint("diploe", base, bone + 3 + space.noise(5, base))
    jaw = base.tube([(48, 8, -44, 4), (46, 10, -90, 6)])
    arch = base.tube([(56, -8, -36, 3.5), (64, 24, -38, 3), (52, 56, -40, 6)])
    painting.paint("cortical_bone", base, np.minimum(jaw, arch))
    canal = base.tube([(80, -13, -31, 3.2), (46, -13, -31, 3.0)])
    painting.paint("cortical_bone", base, np.maximum(canal - 2, base.x - 64))
    cells = np.maximum(mastoid + 3, 1.8 * space.noise(2.2, base))
    painting.paint("air", base, np.minimum(canal, cells), softness=0.9)


def _paint_air_spaces(painting: Painting, space: Space) -> None:
    face = space.region((-55, 5, -88), (55, 112, 35))
    both = face.mirrored()
    walls = 1.5 * space.noise(3, face)
    ethmoid = np.maximum(both.ellipsoid((0, 53, -23), (12, 30, 15)), np.abs(face.x) - 11.5)
    maxillary = both.ellipsoid((29, 56, -60), (14, 18, 17))
    nasal = both.ellipsoid((0, 66, -62), (13, 30, 20))
    sphenoid = both.ellipsoid((8, 22, -29), (7.5, 11, 9))
    hollow = np.minimum.reduce([ethmoid, maxillary, nasal, sphenoid])
    painting.paint("cortical_bone", face, hollow - 2.2)
    painting.paint("mucosa", face, hollow)
    throat = both.tube([(0, 28, -58, 6), (0, 16, -92, 8)])
    painting.paint("mucosa", face, throat - 1.5)
    nostril = both.tube([(5, 96, -58, 3), (3, 84, -50, 3)])
    painting.paint("air", face, np.minimum.reduce([maxillary + 1.2, sphenoid + 1.2, throat, nostril]))
    painting.paint("air", face, np.maximum(ethmoid + 1, walls - 1), softness=0.9)
    painting.paint("air", face, np.maximum(nasal + 2, np.maximum(1.4 - np.abs(face.x), walls - 1.2)))


def _paint_frontal_sinus(painting: Painting, space: Space, cavity: np.ndarray, thickness: np.ndarray) -> None:
    face = space.region((-40, 60, -30), (40, 114, 30))
    depth, bone = cavity[face.box], thickness[face.box]
    wings = np.minimum(face.ellipsoid((9, 84, -3), (12, 20, 14)), face.ellipsoid((-10, 84, -6), (9, 20, 11)))
    painting.paint("air", face, np.maximum.reduce([2.2 - depth, depth - bone + 2.4, wings]))


def _paint_orbits(painting: Painting, space: Space, skin: np.ndarray) -> None:
    """Painted once for both sides; the eyes look forward (+y)."""
    orbits = space.region((-62, 5, -52), (62, 105, 6)).mirrored()
    under_skin = skin[orbits.box] + _SKIN_MILLIMETERS
    cone = orbits.tube([(13, 24, -23, 4), (22, 43, -24, 13), (32, 64, -25, 17.5), (34, 80, -25, 18)])
    painting.paint("cortical_bone", orbits, np.maximum.reduce([cone - 2.4, orbits.y - 74, under_skin + 3]))
    painting.paint("fat", orbits, np.maximum(cone, under_skin))
    _paint_eyes(painting, orbits)


def _paint_eyes(painting: Painting, orbits: Region) -> None:
    muscles = np.minimum.reduce(
        [
            orbits.tube([(14, 26, -23, 1.5), (19, 45, -24, 2.6), (20.5, 61, -25, 1.6)]),
            orbits.tube([(16, 26, -23, 1.5), (37, 47, -25, 2.6), (44, 61, -25, 1.6)]),
            orbits.tube([(15, 26, -20, 1.5), (25, 47, -13, 2.6), (31, 61, -12.5, 1.8)]),
            orbits.tube([(15, 26, -26, 1.5), (25, 47, -35, 2.6), (31, 59, -37, 1.8)]),
        ]
    )
    painting.paint("eye_muscle", orbits, muscles)
    nerve = orbits.tube([(6, 14, -15, 2.2), (14, 27, -21, 2.2), (24, 42, -25, 2.2), (31, 55, -25, 2.2)])
    painting.paint("csf", orbits, nerve - 0.8)
    painting.paint("nerve", orbits, nerve)
    globe = orbits.ellipsoid((32, 66, -25), (12, 12, 12))
    painting.paint("skin", orbits, np.minimum(globe - 0.6, np.maximum(_eyelids(orbits), 74 - orbits.y)))
    painting.paint("vitreous", orbits, globe + 0.8)
    painting.paint("lens", orbits, orbits.ellipsoid((32, 73.5, -25), (4.6, 2.4, 4.6)))
