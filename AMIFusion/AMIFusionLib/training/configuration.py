"""A training run's settings, kept in a JSON file beside the model it makes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class LicensedWeights:
    """Weight of each term of the licensed objective."""

    edges: float = 4.0
    similarity: float = 2.0
    information: float = 0.7
    differences: float = 0.35
    intensity: float = 2.0
    gradient: float = 4.0


@dataclass(frozen=True)
class TrainingConfiguration:
    """Everything that decides what a run gives, apart from the data.

    Attributes:
        architecture: a key of ``fusion.network.ARCHITECTURES``.
        hyperparameters: that architecture's keyword arguments.
        mark: lines of the owner's mark, or one path of a picture.
        seed: of the first weights, the crops and the marks.
        steps: batches to train on.
        batch_size: crops in a batch; the unlicensed half is trained on half as many.
        crop_size: side of a crop in pixels.
        learning_rate: of Adam at its peak; it falls to zero along a half cosine.
        licensed_weights: weight of each term of the licensed objective.
        tampered_share: share of batches that show the network a blanked mark.
    """

    architecture: str = "amif-residual"
    hyperparameters: dict[str, int] = field(default_factory=lambda: {"channels": 32, "blocks": 5, "mark_size": 192})
    mark: tuple[str, ...] = ("AMIF", "UNLICENSED")
    seed: int = 0
    steps: int = 16000
    batch_size: int = 6
    crop_size: int = 128
    learning_rate: float = 1.5e-3
    licensed_weights: LicensedWeights = LicensedWeights()
    tampered_share: float = 0.15

    @classmethod
    def load(cls, path: Path) -> TrainingConfiguration:
        """Read a JSON object whose names are this class's attributes.

        Raises:
            ValueError: not JSON, or a name that is no setting.
        """
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            if "licensed_weights" in settings:
                settings["licensed_weights"] = LicensedWeights(**settings["licensed_weights"])
            settings["mark"] = tuple(settings.get("mark", cls.mark))
            return cls(**settings)
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a training configuration: {error}") from error

    def to_json(self) -> str:
        """The same as text that ``load`` reads."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"
