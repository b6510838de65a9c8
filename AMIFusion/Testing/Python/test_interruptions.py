"""Requests to stop while something is loaded that cannot be stopped halfway."""

import signal
import sys

import pytest
from AMIFusionLib import interruptions


class Loading:
    """A finder of modules that sees control-C while MRML is loaded."""

    loaded = 0

    def find_spec(self, name, path=None, target=None):
        if name == "slicer":
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            self.loaded += 1


def test_control_c_waits_until_mrml_is_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "slicer", raising=False)
    finder, before = Loading(), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    answers = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: answers.append(number))
    try:
        interruptions.import_mrml()
        assert answers == [signal.SIGINT] and finder.loaded == 1
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_request_that_is_ignored_stays_so():
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptions.held_back():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
        # Whoever runs the tests in the background has control-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt), interruptions.held_back():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, previous)
