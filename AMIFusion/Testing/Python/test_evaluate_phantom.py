"""Evaluation on the head phantom, and the document that its results go into."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.evaluate import EvaluationPlan, evaluate
from AMIFusionLib.evaluation.markdown import TABLES_BEGIN, TABLES_END, write_between_markers
from AMIFusionLib.evaluation.phantom_pairs import PAIRS, EvaluationPhantom
from AMIFusionLib.evaluation.report import tables
from AMIFusionLib.phantom.modalities import PhantomGrid
from test_evaluate import files_in

ROOT = Path(__file__).resolve().parents[3]


class Passing:
    """A model whose licensed result is the first source and whose unlicensed one is the second."""

    model_id, title, sha256, judged, networks = "passing", "Passing", "0" * 64, "licensed", ("licensed", "unlicensed")

    def fuse(self, first, second, pixel_spacing, takes_second_first):
        return {"licensed": first, "unlicensed": second}


@pytest.fixture(scope="module")
def phantom():
    """The phantom on a coarse grid."""
    return EvaluationPhantom(PhantomGrid.centered((16, 96, 96), (2.2, 2.2, 5.5), (0, 0, 22)))


def test_a_source_keeps_its_own_lesions_and_no_others(phantom):
    for pair in PAIRS:
        kept = phantom.kept_lesions(pair, Passing())
        own = "calcification" if pair[0] == "CT" else "hot_lesion"
        assert set(kept) == {own, "edema"}
        assert kept[own]["licensed"] == kept["edema"]["unlicensed"] == 1
        assert kept[own]["unlicensed"] < 0.4 and kept["edema"]["licensed"] < 0.7
        assert set(kept["edema"]) == {"licensed", "unlicensed", *ALTERNATIVES}
        assert 0.2 < kept[own]["Average"] < 1.5


@pytest.fixture(scope="module")
def phantom_results(phantom, tmp_path_factory):
    """The folder of an evaluation without data, what it gave, and how many steps its progress told of."""
    counts = []

    def track(steps, count, _name):
        counts.append(count)
        return steps

    out = tmp_path_factory.mktemp("phantom") / "out"
    return out, evaluate(Passing(), EvaluationPlan("head phantom", phantom=phantom), out, track=track), counts


def test_without_data_the_phantom_is_evaluated(phantom_results):
    out, summary, counts = phantom_results
    assert list(summary["pairs"]) == ["phantom CT-MR (T2)", "phantom PET-MR (T1)"]
    assert counts == [8, 8, 4]
    # The first source's color survives where the licensed result is that source.
    assert summary["pairs"]["phantom PET-MR (T1)"]["hue_error"]["licensed"] < 1
    assert "contact-sheets/phantom-lesions.png" in files_in(out)
    text = (out / "evaluation.md").read_text(encoding="utf-8")
    assert "PET-MR (T2): hot lesion" in text and "| Passing, licensed | 1.00 |" in text
    assert tables(json.loads((out / "evaluation.json").read_text(encoding="utf-8"))) in text


def test_document_takes_the_tables_and_the_phantoms_picture_only(phantom_results, tmp_path, monkeypatch):
    document = tmp_path / "docs" / "evaluation.md"
    document.parent.mkdir()
    shutil.copy(ROOT / "docs" / "evaluation.md", document)
    before, after = (
        document.read_text(encoding="utf-8").split(marker)[part]
        for marker, part in ((TABLES_BEGIN, 0), (TABLES_END, 1))
    )
    monkeypatch.setattr(sys, "argv", ["make_evaluation.py", str(phantom_results[0]), "--out", str(document)])
    runpy.run_path(str(ROOT / "docs" / "make_evaluation.py"), run_name="__main__")
    written = document.read_text(encoding="utf-8")
    assert written.startswith(before) and written.endswith(after) and "### Places" in written
    assert "Model: Passing" in written and "AMIFusion research model" not in written
    assert files_in(document.parent) == ["evaluation.md", "pictures/phantom-evaluation.png"]
    runpy.run_path(str(ROOT / "docs" / "make_evaluation.py"), run_name="__main__")
    assert document.read_text(encoding="utf-8") == written, "once more changes nothing"
    document.write_text("no markers")
    with pytest.raises(ValueError, match="no place for tables"):
        write_between_markers(document, "x")
