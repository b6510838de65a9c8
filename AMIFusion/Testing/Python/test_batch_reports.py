"""Reports of batches, and what a batch never writes over: tables, sources, and what others wrote."""

import csv
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import typer
from AMIFusionLib.batch.errors import BatchError
from AMIFusionLib.batch.pairs import Pair
from AMIFusionLib.batch.report import write_reports
from AMIFusionLib.batch.results import ResultsFolder
from AMIFusionLib.batch.run import BatchEnd, BatchPlan, run_batch
from AMIFusionLib.batch.work import FAILED, FUSED, KEPT, NOT_DONE, Outcome
from AMIFusionLib.cli.batch import _finish
from AMIFusionLib.cli.report import Report
from small_volumes import run
from test_batch import files


class _Page(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_reports_show_everything_and_run_nothing(tmp_path):
    evil = '<script>alert("1")</script>&amp;\'"{{ 7 * 7 }}'
    results = ResultsFolder(tmp_path, ".nrrd")
    outcomes = [
        Outcome(Pair(2, evil, "b", 'x" onload="y'), FUSED, evil, 1.25, warnings=(evil,)),
        Outcome(Pair(3, "=cmd()", "-b", "@c"), FAILED, problem="=HYPERLINK()"),
        Outcome(Pair(4, "a", "b", "#100% d"), KEPT), Outcome(Pair(5, "a", "b", "e"), NOT_DONE),
    ]  # fmt: skip
    for outcome in outcomes:
        results.thumbnail(outcome.pair.name).parent.mkdir(exist_ok=True)
        results.thumbnail(outcome.pair.name).write_bytes(b"")
    write_reports(results, outcomes)
    page = _Page((tmp_path / "report.html").read_text())
    assert not [tag for tag, attrs in page.tags if tag == "script" or any(name.startswith("on") for name in attrs)]
    assert page.texts.count(evil) == 2 and any(evil in text for text in page.texts if text.startswith("clean"))
    shown = " ".join(" ".join(page.texts).split())
    assert (
        "4 pairs: 1 fused, 1 failed, 1 kept, 1 not done." in shown and "without a valid license and marked: 1" in shown
    )
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert sources == ["thumbnails/x%22%20onload%3D%22y.nrrd.jpg", "thumbnails/%23100%25%20d.nrrd.jpg"]
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["state"], row["mark"]) for row in rows] == [
        ("2", "fused", "clean"), ("3", "failed", ""), ("4", "kept", "marked"), ("5", "not done", ""),
    ]  # fmt: skip
    assert rows[0]["licensee"] == evil and rows[0]["seconds"] == "1.2"
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@")]


def test_sources_are_never_written_over(tmp_path, model_path):
    (tmp_path / "study" / "mr").mkdir(parents=True)
    (tmp_path / "one.nrrd").write_text("precious")
    for reference, out, ending in (
        ("one.nrrd", ".", ".nrrd"), ("study", "study/mr", ".nrrd"), ("one/mr", ".", ""),
        ("study/mr#3", "study/mr/deep", ""),
    ):  # fmt: skip
        pair = Pair(7, str(tmp_path / reference), str(tmp_path / "b"), "one")
        plan = BatchPlan([pair], ResultsFolder(tmp_path / out, ending), model_path, None)
        with pytest.raises(BatchError, match="Row 7: a result would be written over or into"):
            run_batch(plan, lambda: pytest.fail("began"), print)
    assert files(tmp_path).keys() == {"one.nrrd", "test.amif"}


@contextmanager
def no_workers(error=None):
    """Stands for workers that are not there."""
    raise error or BatchError("no workers")
    yield


def never():
    """Stands for workers where the batch is to be refused before it asks for any."""
    pytest.fail("began")


@pytest.fixture
def plan(tmp_path, model_path):
    """A plan of one pair, whose files are not looked at."""
    one = Pair(2, str(tmp_path / "a"), str(tmp_path / "b"), "one")
    return BatchPlan([one], ResultsFolder(tmp_path / "out", ".nrrd"), model_path, None)


@pytest.mark.parametrize("name", ["report.csv", "report.html"])
def test_reports_that_no_batch_wrote_are_not_replaced(plan, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious")
    with pytest.raises(
        BatchError, match=rf"{name} is there already, and no batch wrote it\. Choose another --out, or "
    ):
        run_batch(plan, never, print)
    assert files(tmp_path / "out") == {name: b"precious"} and len(list((tmp_path / "out").iterdir())) == 1
    with pytest.raises(BatchError, match="no workers"):
        run_batch(replace(plan, overwrite=True), no_workers, print)
    # Now the folder is a batch's.
    with pytest.raises(BatchError, match="no workers"):
        run_batch(plan, no_workers, print)
    (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / name).mkdir()
    for overwrite in (False, True):
        with pytest.raises(BatchError, match=f"{name} is a folder"):
            run_batch(replace(plan, overwrite=overwrite), never, print)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("place", ["report.csv", "report.html", "one.nrrd", "thumbnails/one.nrrd.jpg"])
def test_what_the_batch_is_told_by_is_never_written_over(plan, tmp_path, model_path, place, overwrite):
    file, link = tmp_path / "out" / place, tmp_path / "link"
    file.parent.mkdir(parents=True)
    (tmp_path / "out" / ".batch").mkdir()
    file.write_text("precious")
    link.symlink_to(file)
    plan = replace(plan, overwrite=overwrite)
    for path in (file, link, tmp_path / "out" / ".." / "out" / place):
        for change, what in (
            ({"table": path}, "table of pairs"),
            ({"model": path}, "model"),
            ({"license_file": path}, ""),
        ):
            with pytest.raises(BatchError, match=f"would write over .*, which is the {what}.*Choose another --out"):
                run_batch(replace(plan, **change), never, print)
    file.unlink()
    file.symlink_to(model_path)
    with pytest.raises(BatchError, match="would write over"):
        run_batch(replace(plan, table=file), never, print)
    with pytest.raises(BatchError, match="no workers"):
        run_batch(replace(plan, table=tmp_path / "out" / "pairs.csv"), no_workers, print)


@pytest.mark.parametrize("name", ["report.csv", "report.html"])
def test_a_report_over_what_is_named_beside_it_is_wrong_use(tmp_path, monkeypatch, name):
    """Told from the command line alone, so before anything is read: none of these files is what it should be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "res").mkdir()
    for place in (f"res/{name}", "pairs.csv"):
        (tmp_path / place).write_text("precious")
    before = files(tmp_path)
    for table, *more in (
        (f"res/{name}",), ("pairs.csv", "--model", f"res/{name}"), ("pairs.csv", "--license", f"res/{name}"),
        ("pairs.csv", "--revocations", f"res/{name}"),
    ):  # fmt: skip
        for overwrite in ((), ("--overwrite",)):
            said = run("batch", table, "--out", "res", *more, *overwrite, expect=2).err
            assert f"would write over res/{name}, which is the " in said and "Choose another --out." in said
    assert files(tmp_path) == before


def test_batch_that_cannot_begin_leaves_the_report(plan, tmp_path, monkeypatch):
    write_reports(plan.results, [Outcome(plan.pairs[0], KEPT)])
    (tmp_path / "out" / ".batch").mkdir()
    before = files(tmp_path / "out")
    for error in (BatchError("no workers"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run_batch(plan, lambda error=error: no_workers(error), print)
        assert {name: files(tmp_path / "out")[name] for name in before} == before

    def stopped(client, tasks):
        raise KeyboardInterrupt

    monkeypatch.setattr("AMIFusionLib.batch.cluster.outcomes", stopped)
    end = run_batch(plan, lambda: nullcontext(None), print)
    assert end.is_interrupted and end.count(NOT_DONE) == 1
    assert "1 pair: 1 not done" in " ".join((tmp_path / "out" / "report.html").read_text().split())


def test_counts_of_one_are_told_as_one(plan, capsys):
    for count, said in ((1, "Marked:    1 result, made"), (2, "Marked:    2 results, made")):
        left = [Outcome(plan.pairs[0], NOT_DONE)] * count
        with pytest.raises(typer.Exit):
            _finish(Report("batch", False), plan, BatchEnd([Outcome(plan.pairs[0], FUSED)] * count + left, True))
        told = capsys.readouterr()
        assert said in told.out and ("1 pair is not done" if count == 1 else "2 pairs are not done") in told.err


def test_one_batch_at_a_time_cleans_up(tmp_path):
    results = ResultsFolder(tmp_path / "out", ".nrrd")
    for place in ("", "thumbnails", ".batch"):
        left = tmp_path / "out" / place / ".amifusion-abcd_123"
        left.mkdir(parents=True)
        (left / "half.nrrd").write_text("half")
    (tmp_path / "out" / ".amifusion-is-mine").mkdir()
    with results.owned():
        assert files(tmp_path / "out").keys() == {".batch/lock"} and (tmp_path / "out" / ".amifusion-is-mine").exists()
        with pytest.raises(BatchError, match="Another batch is at work"), results.owned():
            pytest.fail("two at a time")
        (tmp_path / "out" / ".amifusion-12345678").mkdir()
    assert not (tmp_path / "out" / ".amifusion-12345678").exists()
