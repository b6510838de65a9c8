"""The emulation's signals: what slots are given, and what becomes of their errors."""
# ruff: noqa: F811 (fixtures are imported by name)

import slicer_emulation
from emulation_probe import add_volume, qt, slicer  # noqa: F401 (fixtures)


class TestSignals:
    def test_arguments_are_cut_to_what_the_callable_takes(self, qt):
        hits, button = [], qt.QPushButton()
        button.clicked.connect(lambda: hits.append("none"))
        button.clicked.connect(lambda checked: hits.append(checked))
        button.connect("clicked()", lambda *given: hits.append(given))
        button.connect("clicked(bool)", lambda *given: hits.append(given))
        button.click()
        assert hits == ["none", False, (), (False,)]

    def test_errors_in_slots_are_swallowed_and_recorded(self, qt, capsys):
        button = qt.QPushButton()

        def bad():
            raise ValueError("inside a slot")

        button.clicked.connect(bad)
        qt.QTimer.singleShot(0, bad)
        button.click()
        slicer_emulation.process_events()
        assert [str(kept.error) for kept in slicer_emulation.slot_errors] == ["inside a slot"] * 2
        assert "inside a slot" in capsys.readouterr().err

    def test_errors_in_observers_are_recorded(self, slicer):
        def bad(_caller, _event):
            raise ValueError("inside an observer")

        volume = add_volume(slicer)
        volume.AddObserver("ModifiedEvent", bad)
        volume.Modified()
        assert [str(kept.error) for kept in slicer_emulation.slot_errors] == ["inside an observer"]

    def test_emit(self, slicer, qt):
        hits, box, button = [], slicer.qMRMLNodeComboBox(), qt.QPushButton()
        box.currentNodeChanged.connect(lambda node: hits.append(node))
        button.clicked.connect(lambda checked: hits.append(checked))
        volume = add_volume(slicer)
        box.currentNodeChanged.emit(volume)
        button.clicked.emit(True)
        button.clicked()
        assert hits == [volume, True, False]

    def test_a_refused_connection_is_recorded(self, qt):
        assert qt.QPushButton().connect("clickd()", print) is False
        assert slicer_emulation.refused_connections == ["QPushButton.clickd()"]

    def test_disconnect(self, qt):
        hits, button = [], qt.QPushButton()
        button.clicked.connect(hits.append)
        assert button.clicked.disconnect(hits.append) is True
        assert button.clicked.disconnect(hits.append) is False
        button.click()
        assert hits == []
