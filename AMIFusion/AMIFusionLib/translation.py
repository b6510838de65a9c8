"""Sentences for the user in the user's language, in Slicer and without it.

    from .translation import tr as _

    raise VolumeError(_("'{name}' is empty. Select another volume.").format(name=name))

``tr`` is ``slicer.i18n.tr`` itself and never a function around it, because that one looks up a sentence by the file
that calls it. Where Slicer is not running there is nobody to translate for, and sentences stay as they are written.

All of the library outside of ``panel`` takes it from here, ``volumes`` too, which needs Slicer's MRML anyway: MRML also
comes without the application, and then without ``slicer.i18n``. Only what runs inside the application alone, ``panel``
and the module's own file, imports from ``slicer.i18n``.

Slicer extracts what stands between ``_(`` and ``)`` if it is a string literal, or several in a row that begin and end
with the same quotation mark. It sees no variable, no f-string and nothing within one; placeholders are filled after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def _untranslated(text: str) -> str:
    """The text as it is."""
    return text


def _translator() -> Callable[[str], str]:
    """Slicer's function, if this runs in Slicer.

    The application has imported ``slicer`` before any module. Importing it here to find out would make training and
    the command line load all of MRML, which takes 3 s.
    """
    if "slicer" not in sys.modules:
        return _untranslated
    try:
        from slicer.i18n import tr
    except ImportError:
        return _untranslated
    return tr


tr = _translator()
