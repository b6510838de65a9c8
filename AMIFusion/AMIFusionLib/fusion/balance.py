"""How strongly each of two sources shows."""

from __future__ import annotations

from ..translation import tr as _

EVEN = 50.0
"""Both sources in full, as without a balance."""


def balance_gains(balance: float) -> tuple[float, float]:
    """What the sources are multiplied by before they are fused.

    Not a cross-fade: in the middle both count in full, and toward an end only the other one fades.

    Args:
        balance: percent; 0 shows only the reference, 50 both in full, 100 only the second volume.

    Returns:
        The reference's gain and the second volume's, each 0..1.

    Raises:
        ValueError: not a number from 0 to 100.
    """
    if not 0 <= balance <= 100:
        raise ValueError(
            _("A balance of {balance} does not exist. Choose a number from 0 to 100.").format(balance=balance)
        )
    return min(1.0, 2 * (1 - balance / 100)), min(1.0, 2 * balance / 100)
