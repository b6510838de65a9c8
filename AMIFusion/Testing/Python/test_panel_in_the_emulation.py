"""Runs the panel's own test, which is written for Slicer, in the emulation."""

import inspect
import unittest

import AMIFusionPanelTest
import pytest

NAMES = unittest.TestLoader().getTestCaseNames(AMIFusionPanelTest.AMIFusionPanelTest)


@pytest.mark.parametrize("name", NAMES)
def test_panel(module, name):
    result = unittest.TestResult()
    AMIFusionPanelTest.AMIFusionPanelTest(name).run(result)
    assert not result.errors and not result.failures, [text for _, text in result.errors + result.failures]
    assert result.testsRun == 1 and not result.skipped


def test_knows_nothing_of_the_emulation():
    assert "emulation" not in inspect.getsource(AMIFusionPanelTest).split('"""')[2]
