"""A synthetic head in CT, MR and PET, for tests, tutorials and screenshots. Needs only numpy and scipy."""

from .head import HeadModel, PhantomVolume, head_phantom, head_phantom_steps
from .modalities import LESIONS, VOLUME_NAMES, PhantomGrid

__all__ = ["LESIONS", "VOLUME_NAMES", "HeadModel", "PhantomGrid", "PhantomVolume", "head_phantom", "head_phantom_steps"]
