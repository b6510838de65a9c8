"""Measures in words."""

from __future__ import annotations

import math

from slicer.i18n import tr as _

from AMIFusionLib.result_measures import (
    EDGES,
    ENTROPY,
    FIDELITY,
    INFORMATION,
    MOVING_EDGES,
    REFERENCE_EDGES,
    SIMILARITY,
    ResultMeasures,
)


def sentence_of(measures: ResultMeasures, licensed: bool) -> str:
    """The means, for the panel.

    Args:
        measures: what was measured.
        licensed: whether the result is clean; a marked one is measured with its mark.
    """
    edges = _("Edges kept: {all} in all (Qabf), {reference} of '{first}', {moving} of '{second}'.").format(
        all=_share(measures.mean(EDGES)),
        reference=_share(measures.mean(REFERENCE_EDGES)),
        moving=_share(measures.mean(MOVING_EDGES)),
        first=measures.reference_name,
        second=measures.moving_name,
    )
    sums = _("Over both sources: similarity (SSIM) {ssim}, fidelity (VIF) {vif}, shared information (MI) {mi}.").format(
        ssim=_number(measures.mean(SIMILARITY)),
        vif=_number(measures.mean(FIDELITY)),
        mi=_number(measures.mean(INFORMATION)),
    )
    entropy = _("Entropy {bits} bits.").format(bits=_number(measures.mean(ENTROPY)))
    means = _("Means over {count} of {total} slices.").format(count=len(measures.slices), total=measures.total_slices)
    sentences = [edges, sums, entropy, means]
    if not licensed:
        sentences.append(_("Measured with the mark of an unlicensed result."))
    return " ".join(sentences)


def _share(value: float) -> str:
    return _("undefined") if math.isnan(value) else f"{100 * value:.0f}%"


def _number(value: float) -> str:
    return _("undefined") if math.isnan(value) else f"{value:.2f}"
