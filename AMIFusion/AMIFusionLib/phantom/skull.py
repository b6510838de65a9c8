"""The outside of the head: skull, scalp, face, orbits, ears and the air spaces.

Everything is in RAS millimeters: +x is the patient's right, +y anterior, +z superior; the origin lies near the
anterior commissure, in the middle of the head.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from AMIFusionLib.arrays import Array

from .noise import Noise
from .shapes import Painting, Region, Space, box_between, grow, inside, joined

_SCALP_MILLIMETERS = 6.0
_SKIN_MILLIMETERS = 1.8

_BASE = box_between((-75, -80, -88), (75, 80, 0))
_AIR_SPACES = box_between((-55, 5, -88), (55, 112, 35))
_FRONTAL = box_between((-40, 60, -30), (40, 114, 30))
_ORBITS = box_between((-62, 5, -52), (62, 105, 6))
_FACE = box_between((-92, -60, -88), (92, 114, 42))
_NOSE = box_between((-52, 38, -88), (52, 114, 36))
_EYES = box_between((-77, 24, -68), (77, 110, 18))
_NECK = box_between((-92, -112, -88), (92, 80, 26))
_EARS = box_between((-92, -62, -70), (92, 28, 22))
_MUSCLES = box_between((-92, -112, -88), (92, 114, 48))
"""Where each part may matter: around it by how far it blends into others and by how far the warp moves it."""

_NEAR = 16.0
"""Nothing is painted further above the skin, in millimeters; the nasal cavity's bone reaches 8 below the nose."""


@dataclass(frozen=True)
class SkullNoise:
    """What differs between the outsides of two heads, by what it roughens

    Attributes:
        thickness: the skull.
        fat: the skin's inner side.
        strands: the muscles.
        tables: the compact bone around the marrow.
        base: the marrow of the skull's base.
        cells: the mastoid's air cells.
        walls: the thin walls of ethmoid and nose.
    """

    thickness: Noise
    fat: Noise
    strands: Noise
    tables: Noise
    base: Noise
    cells: Noise
    walls: Noise

    @classmethod
    def steps(cls, space: Space) -> Generator[None, None, SkullNoise]:
        """Draw it in steps."""
        drawn = []
        for length, box in ((14, None), (8, None), (4, None), (9, None), (5, _BASE), (2.2, _BASE), (3, _AIR_SPACES)):
            drawn.append((yield from space.noise_steps(length, box)))
        return cls(*drawn)


def intracranial_distance(head: Region, fossa: Array) -> Array:
    """The distance to the space within the skull, negative inside.

    Not an ellipsoid: the vault is widest behind the middle, cut at the floor of the anterior fossa, and joined with
    the middle and posterior fossae.

    Args:
        head: part of the grid.
        fossa: ``posterior_fossa_distance`` there.
    """
    narrowing = 1 + 0.0009 * (head.y + 18)
    vault = Region(head.box, np.abs(head.x) * narrowing, head.y, head.z)
    cerebrum = vault.ellipsoid((0, -4, 10), (68, 86, 65))
    floor = -15 + 9 / (1 + np.exp((34 - head.y) / 6))
    cerebrum = -joined(-cerebrum, head.z - floor, 8)
    temporal = vault.ellipsoid((39, 10, -17), (27, 38, 22))
    cavity = joined(joined(cerebrum, temporal, 10), fossa, 6)
    return -joined(-cavity, _petrous_distance(vault), 5)


def _petrous_distance(right: Region) -> Array:
    """The distance to the petrous ridges, which part the middle fossa from the posterior one."""
    return right.tube([(15, 1, -37, 5), (36, -13, -33, 6.5), (58, -25, -31, 9)])


def posterior_fossa_distance(head: Region) -> Array:
    """The distance to the space below the tentorium, around cerebellum and brainstem, negative inside."""
    return joined(head.ellipsoid((0, -50, -40), (54, 38, 33)), head.ellipsoid((0, -16, -40), (20, 21, 34)), 8)


def paint_head(painting: Painting, head: Region, cavity: Array, noise: SkullNoise) -> None:
    """Paint all of a slab that lies outside the brain's cavity.

    Args:
        painting: receives the layers.
        head: the slab.
        cavity: ``intracranial_distance`` there.
        noise: of this head.
    """
    bone = 0.7 * noise.thickness.read(head.box)
    bone += 6.6
    bone += 2.0 * np.exp(((head.y + 88) ** 2 + head.z**2) * (-1 / 900))
    bone += 4.5 * np.exp(-(head.x**2) / 900 - (head.y - 84) ** 2 / 400 - (head.z + 2) ** 2 / 250)
    skull = np.subtract(cavity, bone, out=bone)
    skin = _skin_distance(head.mirrored(), skull)
    near = head.narrowed(skin, _NEAR)
    if near is None:
        return
    cavity, skull, skin = (distance[inside(near.box, head.box)] for distance in (cavity, skull, skin))
    _paint_soft_tissue(painting, near, skin, noise)
    _paint_skull(painting, near, cavity, skull, noise)
    _paint_base(painting, near.within(_BASE), noise)
    _paint_air_spaces(painting, near.within(_AIR_SPACES), noise)
    _paint_frontal_sinus(painting, near, cavity, skull)
    _paint_orbits(painting, near, skin)


def _skin_distance(both: Region, skull: Array) -> Array:
    """The distance to the skin's surface, negative inside; further from it than ``_NEAR`` only a large number."""
    skin = skull - _SCALP_MILLIMETERS
    grow(skin, both, _FACE, _face_distance, 16)
    grow(skin, both, _NECK, lambda part: part.ellipsoid((0, -34, -92), (60, 62, 66)), 24)
    grow(skin, both, _EARS, _ear_distance, 4)
    return skin


def _face_distance(right: Region) -> Array:
    face = right.ellipsoid((0, 34, -56), (64, 52, 62))
    grow(face, right, _NOSE, _nose_distance, 12)
    grow(face, right, _EYES, _eyelids, 6)
    return face


def _nose_distance(right: Region) -> Array:
    return right.tube([(0, 83, -14, 6), (0, 92, -46, 12)])


def _ear_distance(right: Region) -> Array:
    return right.ellipsoid((79, -17, -24), (3.2, 17, 29), lean=-0.35)


def _paint_soft_tissue(painting: Painting, head: Region, skin: Array, noise: SkullNoise) -> None:
    painting.paint("skin", head, skin)
    painting.paint("fat", head, skin + _SKIN_MILLIMETERS + 0.4 * noise.fat.read(head.box))
    for box, piece, thickness in ((_EARS, _ear_distance, 0.4), (_NOSE, _nose_distance, 3)):
        part = head.within(box)
        if part is not None:
            painting.paint("skin", part, piece(part.mirrored()) + thickness)
    part = head.within(_MUSCLES)
    if part is None:
        return
    skin = skin[inside(part.box, head.box)]
    strands = 1.6 * noise.strands.read(part.box)
    deep = np.maximum(skin + 5.5 + 0.8 * strands, part.z + 28 + 0.25 * np.abs(part.y) + 2 * strands)
    temporalis = np.maximum(part.mirrored().ellipsoid((64, 22, -14), (15, 30, 42)), skin + 3.6)
    painting.paint("muscle", part, np.minimum(deep, temporalis) + 0.5 * strands)


def _eyelids(right: Region) -> Array:
    return right.ellipsoid((32, 66, -25), (15, 14.5, 14))


def _paint_skull(painting: Painting, head: Region, cavity: Array, skull: Array, noise: SkullNoise) -> None:
    painting.paint("cortical_bone", head, skull)
    tables = 1.9 + 0.35 * noise.tables.read(head.box)
    marrow = np.maximum(skull + tables, tables - cavity)
    marrow = np.maximum(marrow, -2 - head.z)
    painting.paint("diploe", head, marrow)


def _paint_base(painting: Painting, part: Region | None, noise: SkullNoise) -> None:
    if part is None:
        return
    base = part.mirrored()
    petrous = _petrous_distance(base)
    mastoid = base.ellipsoid((57, -28, -46), (10, 13, 20))
    sphenoid = base.ellipsoid((0, 22, -28), (24, 20, 13))
    clivus = base.tube([(0, 8, -30, 8), (0, -6, -62, 6)])
    wing = base.tube([(14, 30, -14, 4), (44, 42, -16, 4)])
    bone = np.minimum.reduce([joined(petrous - 1, mastoid, 6), sphenoid, clivus, wing])
    painting.paint("cortical_bone", base, bone)
    painting.paint("diploe", base, bone + 3 + noise.base.read(base.box))
    jaw = base.tube([(48, 8, -44, 4), (46, 10, -90, 6)])
    arch = base.tube([(56, -8, -36, 3.5), (64, 24, -38, 3), (52, 56, -40, 6)])
    painting.paint("cortical_bone", base, np.minimum(jaw, arch))
    canal = base.tube([(80, -13, -31, 3.2), (46, -13, -31, 3.0)])
    painting.paint("cortical_bone", base, np.maximum(canal - 2, base.x - 64))
    cells = np.maximum(mastoid + 3, 1.8 * noise.cells.read(base.box))
    painting.paint("air", base, np.minimum(canal, cells), softness=0.9)


def _paint_air_spaces(painting: Painting, face: Region | None, noise: SkullNoise) -> None:
    if face is None:
        return
    both = face.mirrored()
    walls = 1.5 * noise.walls.read(face.box)
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


def _paint_frontal_sinus(painting: Painting, head: Region, cavity: Array, skull: Array) -> None:
    face = head.within(_FRONTAL)
    if face is None:
        return
    at = inside(face.box, head.box)
    wings = np.minimum(face.ellipsoid((9, 84, -3), (12, 20, 14)), face.ellipsoid((-10, 84, -6), (9, 20, 11)))
    painting.paint("air", face, np.maximum.reduce([2.2 - cavity[at], skull[at] + 2.4, wings]))


def _paint_orbits(painting: Painting, head: Region, skin: Array) -> None:
    """Painted once for both sides; the eyes look forward (+y)."""
    part = head.within(_ORBITS)
    if part is None:
        return
    orbits = part.mirrored()
    under_skin = skin[inside(part.box, head.box)] + _SKIN_MILLIMETERS
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
