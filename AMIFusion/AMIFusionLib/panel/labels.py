"""Labels that tell how things are."""

from __future__ import annotations

from typing import Any


def show_sentence(label: Any, text: str) -> None:
    """Show a sentence, or take no room for none.

    Args:
        label: QLabel.
        text: what to say; empty hides the label.
    """
    label.setText(text)
    label.setVisible(bool(text))
