"""Runs the tests of the panel that are written for Slicer in the emulation."""

import inspect
import unittest

import AMIFusionPanelTest
import AMIFusionTutorialTest
import panel_driver
import pytest
from tutorial_sample import GRIDS, add_tutorial_sample

CASES = [AMIFusionPanelTest.AMIFusionPanelTest, AMIFusionTutorialTest.AMIFusionTutorialTest]
TESTS = [case(name) for case in CASES for name in unittest.TestLoader().getTestCaseNames(case)]


@pytest.fixture
def _downloads(module, monkeypatch):
    """What the tutorials open in Sample Data; CTMRBrain is stood in for."""
    import SampleData

    monkeypatch.setattr(SampleData.SampleDataLogic, "sources", {})
    module.registerSampleData()
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        sampleName="CTMRBrain", uris="", fileNames="", nodeNames=list(GRIDS), customDownloader=add_tutorial_sample
    )


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.id().split(".", 1)[1])
def test_panel(_downloads, test):
    result = unittest.TestResult()
    test.run(result)
    assert not result.errors and not result.failures, [text for _, text in result.errors + result.failures]
    assert result.testsRun == 1 and not result.skipped
    # Where the tutorial aligns only what needs it, the stand-in does.
    assert getattr(test, "was_unaligned", True)


@pytest.mark.parametrize("module", [AMIFusionPanelTest, AMIFusionTutorialTest, panel_driver])
def test_knows_nothing_of_the_emulation(module):
    assert "emulation" not in inspect.getsource(module).split('"""', 2)[2]
