"""The parts of an evaluation: measuring on processes, ranks, colors, sheets and the results folder."""

import numpy as np
import pytest
from AMIFusionLib.evaluation.cases import EvaluationCase, SlicePair
from AMIFusionLib.evaluation.contact_sheet import SheetRow, case_sheets, contact_sheet
from AMIFusionLib.evaluation.eight_bit import eight_bit_luma
from AMIFusionLib.evaluation.measuring import SliceJob, measure_slice, slice_jobs
from AMIFusionLib.evaluation.metrics import RANKED
from AMIFusionLib.evaluation.process_pool import ProcessPool
from AMIFusionLib.evaluation.ranking import largest_difference, mean_ranks, ranks
from AMIFusionLib.evaluation.reader_metrics import hue_error
from AMIFusionLib.evaluation.results_folder import ResultsFolder
from AMIFusionLib.evaluation.subject import Subject, open_subject
from test_evaluate import files_in
from test_metrics import texture


def test_more_processes_give_the_same_measures():
    pairs = [SlicePair(texture(seed, 40), texture(seed + 9, 40)) for seed in range(3)]
    jobs = [SliceJob(("ct-mri", "1", str(n)), pair, {"licensed": pair.first}) for n, pair in enumerate(pairs)]
    with ProcessPool(2) as pool:
        found = list(pool.map(measure_slice, jobs))
    for rows, job in zip(found, jobs):
        for row, expected in zip(rows, measure_slice(job), strict=True):
            assert list(row) == list(expected)
            for name, value in expected.items():
                assert row[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9, nan_ok=True))


def test_slices_on_which_nothing_is_seen_are_left_out():
    seen, blank = texture(1, 24), np.zeros((24, 24), np.uint8)
    first, second = np.stack([seen, blank, blank]), np.stack([blank, blank, seen])
    case = EvaluationCase("ct-mri", "1", ("CT", "MRI"), ("a", "b", "c"), first, second)
    jobs = list(slice_jobs(case, {"licensed": first + second}))
    assert [job.names for job in jobs] == [("ct-mri", "1", "a"), ("ct-mri", "1", "c")]
    assert all(np.array_equal(job.results["licensed"], seen) for job in jobs)


def test_ranks_of_equal_missing_and_undefined_values():
    means = {method: dict.fromkeys(RANKED, value) for method, value in zip("abcd", (3.0, 2.00001, 2.00002, 1.0))}
    means["d"]["EN"] = 4.0
    del means["a"]["SD"]
    means["b"]["SF"] = np.nan
    found = ranks(means)
    assert [found[method]["MI"] for method in "abcd"] == [1, 2, 2, 4]
    assert [found[method]["EN"] for method in "abcd"] == [2, 3, 3, 1]
    assert [found[method]["SD"] for method in "abcd"] == [4, 1, 1, 3]
    assert [found[method]["SF"] for method in "abcd"] == [1, 4, 2, 3]
    assert mean_ranks(means) == pytest.approx({"a": 12 / 8, "c": 16 / 8, "b": 18 / 8, "d": 27 / 8})
    assert list(mean_ranks(means)) == ["a", "c", "b", "d"]


def test_recorded_values_of_other_data_are_noticed():
    found = {"Average": {name: 2.0 for name in RANKED}, "mine": {"EN": 1}}
    assert largest_difference(found, {"Average": {"EN": 2.0, "SD": 2.5}}) == pytest.approx(0.2)
    assert np.isnan(largest_difference(found, {"Other": {"EN": 2.0}}))


def test_color_of_a_result_is_its_sources():
    color = np.full((8, 8, 3), (200, 110, 40), np.uint8)
    gray = np.full((8, 8), 90, np.uint8)
    for pair in (SlicePair(color, gray), SlicePair(gray, color)):
        assert abs(pair.in_color(eight_bit_luma(color)).astype(int) - color).max() <= 1
        darker = pair.in_color(np.full((8, 8), 110, np.uint8))
        assert darker.shape == color.shape and hue_error(color, darker) < 6
        # What has no room is paler, not cut off, which would turn its hue by more.
        brighter = pair.in_color(np.full((8, 8), 250, np.uint8))
        cut_off = np.clip(color + (250.0 - eight_bit_luma(color)[..., None]), 0, 255).astype(np.uint8)
        assert hue_error(color, brighter) < 6 < hue_error(color, cut_off)
    assert SlicePair(gray, gray).in_color(gray) is gray


def test_sheets_show_each_picture_in_its_place():
    grays = [np.full((30, 60), 40 * index, np.uint8) for index in range(1, 5)]
    rows = [SheetRow("001", grays), SheetRow("a longer name", grays[::-1])]
    sheet = np.asarray(contact_sheet("Title", list("abcd"), rows, (2.0, 1.0)))
    width, height = 192, 192
    left = sheet.shape[1] - 4 * (width + 4)
    assert left > 80 and sheet.shape[0] == 48 + 2 * (height + 4)
    for line in (0, 1):
        for place in range(4):
            top = 48 + line * (height + 4)
            tile = sheet[top : top + height, left + place * (width + 4) :][:, :width]
            assert (tile == 40 * (4 - place if line else place + 1)).all()


def test_many_slices_take_several_pages():
    stack = np.stack([texture(0, 24)] * 17)
    case = EvaluationCase("ct-mri", "1", ("CT", "MRI"), tuple(map(str, range(17))), stack, stack)
    pages = list(case_sheets(case, {"unlicensed": stack}, "Title"))
    heights = [page.height - 48 for page in pages]
    assert len(pages) == 3 and heights[0] == heights[1] == 8 * heights[2]


SUMMARY = {"model": {}, "data": {}, "versions": {}, "pairs": {}, "phantom": {}}
"""As little as is known for an evaluation's."""


def test_results_appear_all_at_once_or_not_at_all(tmp_path):
    folder = tmp_path / "out"
    for sheets in (("old", "both"), ("both",)):
        with ResultsFolder(folder) as results:
            results.write_summary(SUMMARY)
            results.write_report("\n".join(sheets))
            for name in sheets:
                results.sheet(name).write_bytes(b"x")
    (folder / "note.txt").write_text("mine")
    kept = ["contact-sheets/both.png", "evaluation.json", "evaluation.md", "note.txt"]
    assert files_in(folder) == kept
    with pytest.raises(RuntimeError), ResultsFolder(folder) as results:
        results.write_report("half")
        results.sheet("new").write_bytes(b"x")
        raise RuntimeError
    assert files_in(folder) == kept and "half" not in (folder / "evaluation.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == [
        "contact-sheets", "evaluation.json", "evaluation.md", "note.txt",
    ]  # fmt: skip
    with ResultsFolder(folder) as results:
        assert results.sheet("us/ct ..\\x 1").name == "us-ct-..-x-1.png"


@pytest.mark.parametrize("summary", [None, "precious", "[]", '{"model": {}}', "\ud800" * 9])
@pytest.mark.parametrize("name", ["measures.csv", "evaluation.json", "evaluation.md", "contact-sheets/mine.png"])
def test_what_no_evaluation_wrote_is_not_replaced(tmp_path, name, summary):
    for file, text in (("evaluation.json", summary), (name, "precious")):
        if text is not None:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_bytes(text.encode(errors="surrogatepass"))
    before = files_in(tmp_path)
    with pytest.raises(FileExistsError, match=r"is there already, and no evaluation wrote it\. Choose another --out\."):
        ResultsFolder(tmp_path).__enter__()
    assert files_in(tmp_path) == before and (tmp_path / name).read_bytes() == b"precious"


def test_folder_in_the_place_of_a_file_is_told_before_anything_is_moved(tmp_path):
    with ResultsFolder(tmp_path) as results:
        results.write_summary(SUMMARY)
    (tmp_path / "measures.csv").mkdir()
    with pytest.raises(FileExistsError, match=r"measures\.csv is there already"):
        ResultsFolder(tmp_path).__enter__()


def test_subject_without_a_license_has_one_result(model_path, issue):
    assert list(open_subject(model_path, None).networks) == ["unlicensed"]
    assert open_subject(model_path, issue()).judged == "licensed"
    with pytest.raises(ValueError, match="license"):
        open_subject(model_path, "  ")
    with pytest.raises(ValueError):
        open_subject(model_path, issue(end=-0.5))
    assert isinstance(open_subject(model_path, None), Subject)
