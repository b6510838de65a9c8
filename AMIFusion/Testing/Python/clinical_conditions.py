"""What a pair of slices may come as from clinics: other windows, noise, images that are not quite registered."""

import numpy as np
from scipy import ndimage


def misregistered(first, second):
    """The second two pixels off in both directions and turned by a degree."""
    angle, center = np.radians(1), (np.array(second.shape) - 1) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = ndimage.affine_transform(second, turn, center - turn @ center + (2, -2), order=1)
    return first, np.clip(moved, 0, 1)


def noisy(first, second):
    """Noise of 15 gray levels in 255 in both, as in a fast scan."""
    noise = 0.06 * np.random.default_rng(0).standard_normal((2, *first.shape))
    return np.clip(first + noise[0], 0, 1), np.clip(second + noise[1], 0, 1)


CONDITIONS = {
    "as they are": lambda first, second: (first, second),
    "misregistered": misregistered,
    "narrow windows": lambda first, second: (np.clip((first - 0.2) / 0.5, 0, 1), np.clip((second - 0.1) / 0.6, 0, 1)),
    "wide windows": lambda first, second: (0.45 * first, 0.5 * second),
    "low windows": lambda first, second: (0.7 * first + 0.15, 0.7 * second + 0.2),
    "other gammas": lambda first, second: (first**0.6, second**1.6),
    "inverted contrast": lambda first, second: (1 - first, second),
    "noisy": noisy,
}
"""What a pair may come as; windows by what they make of the values."""

WINDOWS_FOR_BONE = {
    "bright windows": lambda first, second: (np.clip(first / 0.6, 0, 1), np.clip(second / 0.6, 0, 1)),
    "bright gammas": lambda first, second: (first**0.4, second**0.4),
}
"""Under these MR is white along both sides of the skull, which is black in it: an outline as strong as CT's own."""
