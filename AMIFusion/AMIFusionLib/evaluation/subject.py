"""The model that is evaluated: its licensed result where a license opens it, and the unlicensed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.authorization.revocation import RevocationList
from AMIFusionLib.fusion.engine import FusionEngine
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork, build_network

from .eight_bit import eight_bit

LICENSED, UNLICENSED = "licensed", "unlicensed"
"""The two results of a model, by the names that tables give them."""


@dataclass(frozen=True)
class Subject:
    """A model under evaluation.

    Attributes:
        model_id, title, sha256: which model it is.
        networks: the network by result, ``LICENSED`` where there is one and ``UNLICENSED``.
    """

    model_id: str
    title: str
    sha256: str
    networks: Mapping[str, AuthorizableFusionNetwork]

    @property
    def judged(self) -> str:
        """The result that is ranked: the licensed one, or the unlicensed one of a model without a license."""
        return LICENSED if LICENSED in self.networks else UNLICENSED

    def fuse(
        self, first: Array, second: Array, pixel_spacing: tuple[float, float], takes_second_first: bool
    ) -> dict[str, Array]:
        """All results for a stack of slices, made on the CPU as fused volumes are.

        Args:
            first, second: (slices, rows, columns) uint8.
            pixel_spacing: (row, column) distance, for an undistorted mark.
            takes_second_first: whether the network takes the second source first, see ``cases.EvaluationCase``.

        Returns:
            By result, (slices, rows, columns) uint8.

        Raises:
            SliceSizeError: slices too small for the network.
        """
        one, other = (stack.astype(np.float32) / np.float32(255) for stack in (first, second))
        fused = {
            result: _fused(network, one, other, pixel_spacing, takes_second_first)
            for result, network in self.networks.items()
        }
        return {result: eight_bit(slices) for result, slices in fused.items()}


def open_subject(path: Path, license_text: str | None, revocations: RevocationList | None = None) -> Subject:
    """Read a model file, and open it if there is a license.

    Args:
        path: the model file.
        license_text: a license, or None to evaluate the unlicensed result alone.
        revocations: the newest revocation list that is known, or None.

    Raises:
        ModelFileError: no model file, or a damaged one.
        ValueError: the license does not open it, or the model needs another version.
        OSError: the file cannot be read.
    """
    model = read_model(path)
    description, parameters = model.description, {}
    if license_text is not None:
        authorization = authorize(model, license_text, revocations)
        if not authorization.is_licensed:
            raise ValueError(authorization.problem or "The license is empty. Give a license, or none at all.")
        parameters[LICENSED] = authorization.parameters
    parameters[UNLICENSED] = model.public_parameters
    networks = {
        result: build_network(description.architecture, description.hyperparameters, values)
        for result, values in parameters.items()
    }
    return Subject(description.model_id, description.title, model.sha256, networks)


def _fused(
    network: AuthorizableFusionNetwork, first: Array, second: Array, pixel_spacing: tuple[float, float],
    takes_second_first: bool,
) -> Array:  # fmt: skip
    """(slices, rows, columns) float32 in 0..1."""
    fused = np.empty(first.shape, np.float32)

    def read(start: int, stop: int) -> tuple[Array, Array]:
        return first[start:stop], second[start:stop]

    def write(start: int, done: Array) -> None:
        fused[start : start + len(done)] = done

    for _ in FusionEngine(network, "cpu").fuse(
        read, write, first.shape, (1.0, *pixel_spacing), takes_second_first=takes_second_first
    ):
        pass
    return fused
