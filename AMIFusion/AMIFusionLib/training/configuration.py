"""A training run's settings, kept in a JSON file beside the model it makes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AMIFusionLib.input_files import parse_json, read_input_file


@dataclass(frozen=True)
class LicensedWeights:
    """Weight of each term of ``objective.licensed_objective``, and the goals of three of them.

    Attributes:
        enlarged_edges: how much more ``edges`` weighs in an enlarged crop: that share for each time its size is added.
        overshoot: of what is brighter or darker than both sources nearby.
        undershoot: of what is darker, in addition to ``overshoot``: a dark line is seen where air is gray, which few
            crops show.
        dark_lines: of narrow lines that are darker than what is on both sides of them and that neither source shows,
            nor their pixelwise maximum: beside bone, where both sources change, they are had for nothing.
        lost_white: of what is darker than a source within what that source shows white or nearly so: bone in CT.
        tolerated_artifacts: Nabf that costs nothing.
        contrast_goal, detail_goal: standard deviation and spatial frequency asked for, over those of the sources'
            pixelwise maximum.
    """

    edges: float = 7.0
    enlarged_edges: float = 0.0
    weaker_edges: float = 1.5
    artifacts: float = 5.0
    similarity: float = 7.0
    fidelity: float = 1.0
    differences: float = 1.0
    information: float = 0.6
    entropy: float = 0.8
    contrast: float = 5.0
    detail: float = 5.0
    overshoot: float = 0.0
    undershoot: float = 0.0
    dark_lines: float = 0.0
    lost_white: float = 0.0
    pattern: float = 0.0
    checkerboard: float = 0.0
    intensity: float = 0.5
    tolerated_artifacts: float = 0.035
    contrast_goal: float = 1.08
    detail_goal: float = 1.2

    def enlarged(self, factor: float) -> LicensedWeights:
        """The weights for a crop that is so many times as large as in its slice, 1 and up."""
        return dataclasses.replace(self, edges=self.edges * (1 + self.enlarged_edges * (factor - 1)))


REDUCTIONS = (2, 4)
"""How many times smaller a batch of crops may be made."""

SMALLEST_CROP = 48
"""Smallest side of a crop in pixels: the fourth scale of VIF needs 41, and a border is left out elsewhere."""

USUAL_HYPERPARAMETERS = {
    "amif-residual-2": {"channels": 64, "blocks": 5, "scale": 4, "mark_size": 192},
    "amif-two-scale-1": {"channels": 64, "blocks": 2, "fine_channels": 24, "mark_size": 192},
}
"""Of each architecture, where a configuration has none."""

GRAY_LEVELS = 256
COARSE_BINS = 86
"""Bins of three gray levels each: a small crop fills finer ones of a joint histogram with single pixels."""

LOG_GAMMA_RANGE = 0.4
"""Unless a configuration says otherwise: gammas of 0.67 to 1.49."""

_LARGEST_FILE = 1 << 20
_LARGEST_SIZE = 1 << 16
"""Of a hyper-parameter, as model files take it, a batch and a crop."""

_LARGEST_COUNT = (1 << 32) - 1
"""Of steps, and numpy's and PyTorch's largest common seed."""


@dataclass(frozen=True)
class TrainingConfiguration:
    """Everything that decides what a run gives, apart from the data.

    Attributes:
        architecture: a key of ``fusion.network.ARCHITECTURES``.
        hyperparameters: that architecture's keyword arguments; in a file without them its usual ones.
        mark: lines of the owner's mark, or one path of a picture; a run that leaves the public values of the run to
            start from as they are leaves its mark too.
        seed: of the first weights, the crops and the marks.
        steps: batches to train on.
        batch_size: crops in a batch; the unlicensed half is trained on half as many.
        crop_size: side of a crop in pixels.
        learning_rate: of Adam at its peak; it falls to zero along a half cosine.
        licensed_weights: weight of each term of the licensed objective.
        licensed_weights_by_kind: other weights for single pair types ("ct-mri", ...), a few names each: the sources say
            which type they are of, so that what is to be given up for what may differ.
        information_bins: into how many bins the licensed objective sorts a fusion's gray values to tell its mutual
            information with the sources: 256 are as fine as the measure's own, fewer suit small crops.
        tampered_share: share of batches that show the network a blanked mark.
        licensed: whether the sealed values are trained; if not they stay as the run to start from has them.
        unlicensed_every: steps from one batch of unlicensed training to the next; 0 leaves the public values as the
            run to start from has them.
        public_channel_share: share of the channels between the network's layers that the public values use where they
            are trained; those of the others are 0, see ``confinement``. It must leave a whole number of each kind.
        enlarged_share: share of crops that show a part of a slice as a finer grid would have it, up to
            ``dataset.LARGEST_FACTOR`` times larger: what scanners and viewers make that interpolate.
        reduced_share: share of batches whose crops are made smaller by one of ``REDUCTIONS``: coarse slices,
            whose edges are sharper than any scanner's at 256 pixels.
        log_gamma_range: natural logarithm of the largest gamma that crops are toned with, as other display windows
            would; the smallest is its inverse.
        window_share: half of this share of the crops shows another part of both sources' gray values, as display
            windows with other limits do: what is beyond them is cut off, and air may be gray.
        inverted_share: share of the crops of which one source is shown inverted, dark for bright.
        finer_first: whether the finer source of a case always comes first, as it does when volumes are fused; if not,
            either does as often.
        flat_weight: weight of the pattern left in the fusion of two constants.
        step_weight: weight of the halo left beside straight edges between pairs of constants, with noise and without,
            and of the seam along them.
        layers_weight: weight of the dark lines between curved layers as thin as skin.
        white_weight: weight of what is lost of white among layers that are white or black in many places, as narrow
            display windows make them.
        alone_weight: weight of the change of a source beside an empty one.
        averaging_decay: of the running mean of the sealed values that is written in their place: each step leaves the
            mean this share of itself, at first less. 0 writes the values as they are. Crops differ, so that single
            values are thrown about where their mean is not.
        mixed_precision_share: share of the steps, from the first on, whose convolutions run in bfloat16: half the time
            on a GPU and on a CPU that has instructions for it, slower on a CPU that has none.
    """

    architecture: str = "amif-two-scale-1"
    hyperparameters: dict[str, int] = field(default_factory=lambda: dict(USUAL_HYPERPARAMETERS["amif-two-scale-1"]))
    mark: tuple[str, ...] = ("AMIF", "UNLICENSED")
    seed: int = 0
    steps: int = 17000
    batch_size: int = 6
    crop_size: int = 128
    learning_rate: float = 1.5e-3
    licensed_weights: LicensedWeights = LicensedWeights()
    licensed_weights_by_kind: dict[str, dict[str, float]] = field(default_factory=dict)
    information_bins: int = COARSE_BINS
    tampered_share: float = 0.15
    licensed: bool = True
    unlicensed_every: int = 2
    public_channel_share: float = 1.0
    enlarged_share: float = 0.0
    reduced_share: float = 0.0
    log_gamma_range: float = LOG_GAMMA_RANGE
    window_share: float = 0.0
    inverted_share: float = 0.0
    finer_first: bool = False
    flat_weight: float = 0.0
    step_weight: float = 0.0
    layers_weight: float = 0.0
    white_weight: float = 0.0
    alone_weight: float = 0.0
    averaging_decay: float = 0.996
    mixed_precision_share: float = 0.8

    def weights_of(self, kind: str) -> LicensedWeights:
        """The weights of the licensed objective for one pair type."""
        return dataclasses.replace(self.licensed_weights, **self.licensed_weights_by_kind.get(kind, {}))

    @classmethod
    def load(cls, path: Path) -> TrainingConfiguration:
        """Read a JSON object whose names are this class's attributes.

        Raises:
            ValueError: not JSON, or a name that is no setting.
            OSError: the file cannot be read.
        """
        content = read_input_file(path, _LARGEST_FILE)
        try:
            settings = _known(parse_json(content), cls, "settings")
            settings["licensed_weights"] = LicensedWeights(
                **_known(settings.get("licensed_weights", {}), LicensedWeights, "'licensed_weights'")
            )
            usual = USUAL_HYPERPARAMETERS.get(str(settings.get("architecture")))
            if usual is not None:
                settings.setdefault("hyperparameters", dict(usual))
            mark = settings.get("mark", cls.mark)
            settings["mark"] = tuple(mark) if isinstance(mark, (list, tuple)) else (mark,)
            configuration = cls(**settings)
            configuration.check()
        except (RecursionError, ValueError) as error:
            raise ValueError(f"{path} is not a training configuration: {error}. Correct it.") from error
        return configuration

    def check(self) -> None:
        """Refuse settings that no training can follow.

        Raises:
            ValueError: a number that is none, too small or too large, or no mark.
        """
        ranges = {
            "steps": (1, _LARGEST_COUNT), "batch_size": (1, _LARGEST_SIZE), "crop_size": (SMALLEST_CROP, _LARGEST_SIZE),
            "seed": (0, _LARGEST_COUNT), "unlicensed_every": (0, _LARGEST_COUNT), "information_bins": (2, GRAY_LEVELS),
        }  # fmt: skip
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"'{name}' must be a whole number of at least {least} and at most {most}")
        if type(self.licensed) is not bool or not (self.licensed or self.unlicensed_every):
            raise ValueError("'licensed' must be true or false, and true where 'unlicensed_every' is 0")
        if type(self.finer_first) is not bool:
            raise ValueError("'finer_first' must be true or false")
        if not isinstance(self.architecture, str):
            raise ValueError("'architecture' must be a name")
        if not _is_number(self.learning_rate) or self.learning_rate <= 0:
            raise ValueError("'learning_rate' must be a number above 0")
        for name in ("flat_weight", "step_weight", "layers_weight", "white_weight", "alone_weight"):
            if not _is_number(getattr(self, name)) or getattr(self, name) < 0:
                raise ValueError(f"'{name}' must be a number of at least 0")
        for name in (
            "tampered_share", "mixed_precision_share", "enlarged_share", "reduced_share", "log_gamma_range",
            "window_share", "inverted_share", "averaging_decay",
        ):  # fmt: skip
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"'{name}' must be a number between 0 and 1")
        if self.averaging_decay == 1:
            raise ValueError("'averaging_decay' must be below 1, with which nothing would be learned")
        if not all(map(_is_weight, dataclasses.astuple(self.licensed_weights))):
            raise ValueError("'licensed_weights' must be numbers of at least 0")
        for kind, weights in _known(self.licensed_weights_by_kind, None, "'licensed_weights_by_kind'").items():
            if not all(map(_is_weight, _known(weights, LicensedWeights, f"weights for '{kind}'").values())):
                raise ValueError(f"weights for '{kind}' must be numbers of at least 0")
        sizes = _known(self.hyperparameters, None, "'hyperparameters'").values()
        if not all(type(value) is int and 0 < value <= _LARGEST_SIZE for value in sizes):
            raise ValueError(f"'hyperparameters' must be whole numbers above 0 and at most {_LARGEST_SIZE}")
        self._check_public_channels()
        if self.reduced_share and self.crop_size < SMALLEST_CROP * max(REDUCTIONS):
            raise ValueError(f"'crop_size' must be at least {SMALLEST_CROP * max(REDUCTIONS)} to be reduced")
        if self.crop_size < 2 * self.hyperparameters.get("scale", 1):
            raise ValueError("'crop_size' must be at least twice the network's 'scale'")
        if "mark_size" not in self.hyperparameters or not all(isinstance(line, str) for line in self.mark):
            raise ValueError("'hyperparameters' must have a mark_size, and 'mark' must be lines of text or one picture")

    def _check_public_channels(self) -> None:
        share = self.public_channel_share
        if not _is_number(share) or not 0 < share <= 1:
            raise ValueError("'public_channel_share' must be a number above 0 and at most 1")
        if share != 1 and not self.unlicensed_every:
            raise ValueError(
                "'public_channel_share' must be 1 where 'unlicensed_every' is 0: no public value is changed"
            )
        for name, size in self.hyperparameters.items():
            kept = round(share * size)
            # Rounding: 0.28 of 25 is 7.000000000000001.
            if name.endswith("channels") and (not kept or abs(share * size - kept) > 1e-9 * size):
                raise ValueError(f"'public_channel_share' must leave a whole number of the {size} {name}")

    def to_json(self) -> str:
        """The same as text that ``load`` reads."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def _known(settings: object, kind: type | None, name: str) -> dict[str, Any]:
    """A JSON object, checked to have no other names than a dataclass's, if one is given."""
    if not isinstance(settings, dict):
        raise ValueError(f"{name} must be an object with names and values")
    unknown = settings.keys() - {each.name for each in dataclasses.fields(kind)} if kind else ()
    if unknown:
        raise ValueError(f"{name} cannot have {', '.join(sorted(map(repr, unknown)))}")
    return dict(settings)


def _is_weight(value: object) -> bool:
    # A fault with a weight below 0 would be learned.
    return _is_number(value) and value >= 0  # type: ignore[operator]


def _is_number(value: object) -> bool:
    # Compared, because a whole number of a thousand digits has no float to ask whether it is finite.
    return isinstance(value, (int, float)) and type(value) is not bool and -1e30 < value < 1e30
