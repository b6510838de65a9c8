"""QSettings on a file of the test process's own, never the user's."""

import os
import shutil

from PySide6 import QtCore

from .strict_objects import override, proxy_class, wrap


class ctkSettings(QtCore.QSettings):
    """The application's settings."""

    def __init__(self):
        super().__init__(path(), QtCore.QSettings.Format.IniFormat)


def path():
    """The settings file that `install` chose."""
    return os.environ["AMIFUSION_EMULATION_SETTINGS"]


def proxy():
    """The proxy class of qt.QSettings, where `QSettings()` means the application's file."""
    proxied = proxy_class(_Settings)
    override(_Settings, "value", _value)
    override(ctkSettings, "value", _value)
    return proxied


class _Settings(QtCore.QSettings):
    def __init__(self, *arguments):
        super().__init__(*(arguments or (path(), QtCore.QSettings.Format.IniFormat)))


_Settings.__name__ = "QSettings"


def _value(settings, key, default=None):
    return wrap(settings.value(key)) if settings.contains(key) else default


def restart():
    """Settings as a new Slicer session reads them: an INI file gives every plain value back as a string."""
    store = ctkSettings()
    for key in store.allKeys():
        value = store.value(key)
        if isinstance(value, bool):
            store.setValue(key, "true" if value else "false")
        elif isinstance(value, (int, float)):
            store.setValue(key, str(value))


def clear():
    """Forget every setting, and whatever modules keep beside the settings file."""
    ctkSettings().clear()
    folder = os.path.dirname(path())
    for name in os.listdir(folder):
        if name != os.path.basename(path()):
            kept = os.path.join(folder, name)
            shutil.rmtree(kept) if os.path.isdir(kept) and not os.path.islink(kept) else os.unlink(kept)
