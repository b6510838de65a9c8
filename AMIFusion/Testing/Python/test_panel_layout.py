"""The panel's form: every control explains itself and is reached by keyboard."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "AMIFusion.ui"
CONTROLS = {"qMRMLNodeComboBox", "QComboBox", "QCheckBox", "QPushButton", "QLineEdit", "ctkSliderWidget"}
EXPLAINED = CONTROLS | {"QLabel", "ctkCollapsibleButton", "QProgressBar"}


@pytest.fixture(scope="module")
def form():
    """The .ui file's tree."""
    return ElementTree.parse(UI).getroot()


def controls(form):
    """Name and element of each widget that a user operates."""
    return {widget.get("name"): widget for widget in form.iter("widget") if widget.get("class") in CONTROLS}


def test_everything_has_a_tool_tip(form):
    for widget in form.iter("widget"):
        if widget.get("class") in EXPLAINED:
            tip = widget.findtext("property[@name='toolTip']/string")
            assert tip and tip.strip().endswith("."), widget.get("name")


def test_every_control_is_reached_by_tab_in_the_order_of_the_form(form):
    stops = [stop.text for stop in form.find("tabstops")]
    reached = CONTROLS | {"ctkCollapsibleButton"}
    assert stops == [widget.get("name") for widget in form.iter("widget") if widget.get("class") in reached]


def test_no_two_controls_share_a_shortcut(form):
    texts = [element.text or "" for element in form.findall(".//property[@name='text']/string")]
    letters = [found.group(1).lower() for text in texts if (found := re.search(r"&(\w)", text))]
    assert len(letters) >= 15
    # File, Edit, View and Help are menus of Slicer's main window.
    assert not set(letters) & set("fevh")
    assert [letter for letter, count in Counter(letters).items() if count > 1] == []


def test_every_label_of_a_field_names_it_to_screen_readers(form):
    buddies = [widget.findtext("property[@name='buddy']/cstring") for widget in form.iter("widget")]
    for name, widget in controls(form).items():
        has_text = widget.find("property[@name='text']") is not None or name == "licenseLineEdit"
        assert has_text or name in buddies, name


def test_the_license_is_masked_and_not_bound_to_the_scene(form):
    field = controls(form)["licenseLineEdit"]
    assert field.findtext("property[@name='echoMode']/enum") == "QLineEdit::Password"
    assert field.find("property[@name='SlicerParameterName']") is None
