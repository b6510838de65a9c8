"""What ships with AMIFusion: the research model and its public evaluation license."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _resources() -> Path:
    """``Resources`` beside the library, as in a checkout and in Slicer, or inside it, as pip installs it."""
    beside = _PACKAGE.parent / "Resources"
    return beside if (beside / "Models").is_dir() else _PACKAGE / "Resources"


MODEL_PATH = _resources() / "Models" / "amifusion-research.amif"
EVALUATION_LICENSE_PATH = _resources() / "Models" / "amifusion-research-evaluation.license"
