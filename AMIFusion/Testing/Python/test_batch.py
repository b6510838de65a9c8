"""Batches without a cluster: the table of pairs, and one pair's work."""

import json
import os
import pickle
import re
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.authorization.license import inspect_license
from AMIFusionLib.authorization.revocation import read_revocation_list
from AMIFusionLib.batch import work
from AMIFusionLib.batch.errors import PairsError
from AMIFusionLib.batch.pairs import COLUMNS, PLANES, WINDOW_CHOICES, Pair, read_pairs
from AMIFusionLib.batch.results import ResultsFolder
from AMIFusionLib.batch.work import FAILED, FUSED, KEPT, PairTask, fuse_pair
from dicom_files import SeriesMaker, written
from small_volumes import ball, dicom_pair, license_file, pair  # noqa: F401 (fixtures)
from test_revocation_list import make_list

HEAD = "reference,moving,name"


@pytest.fixture
def table(tmp_path):
    """Writes a table of pairs."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "pairs.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_table_in_full(table, tmp_path):
    head = "\ufeff" + ";".join(COLUMNS).upper()
    cells = {
        "reference": "study#3", "moving": "/data/ct.nrrd", "name": "Müller 1", "plane": "Axial", "gray": "yes",
        "window": "percentiles", "balance": "12.5", "reference_window": "-5 80.5", "transform": "t.h5",
        "patient_id": "7",
    }  # fmt: skip
    row = ";".join(f'"{cells.get(name, "")}"' for name in COLUMNS)
    assert read_pairs(table(f"{head}\r\n\r\n{row}\r\n")) == [
        Pair(
            3, str(tmp_path / "study#3"), "/data/ct.nrrd", "Müller 1", "axial", "percentiles", 12.5, (-5.0, 80.5),
            None, None, True, str(tmp_path / "t.h5"), "7",
        )
    ]  # fmt: skip


def test_names_come_from_the_paths_and_stay(table):
    text = "moving\treference\n" + "\n".join(f"p{n}/ct.nii.gz\tp{n}/mr #2" for n in range(3))
    names = [each.name for each in read_pairs(table(text))]
    assert names == [f"p{n}-mr-2_p{n}-ct" for n in range(3)]
    longer = text.replace("\n", "\nnew/ct.nrrd\tnew/mr\n", 1)
    assert [each.name for each in read_pairs(table(longer))][1:] == names
    long = read_pairs(table(f"reference,moving\n{'a/' * 200}1.nrrd,b\n{'a/' * 200}2.nrrd,b\n"))
    assert len({each.name for each in long}) == 2 and all(len(each.name) < 60 for each in long)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "row 1: there is no column 'reference'"),
        ("reference,mov\na,b", "row 1: there is no column 'moving'"),
        (HEAD, "has no pairs"),
        (f"{HEAD},license\na,b,c,d", "row 1: leave the column 'license' out"),
        (f"{HEAD},colour\na,b,c,d", "row 1: the column 'colour' is unknown. There are: reference"),
        (f"{HEAD},name\na,b,c,d", "row 1: there are two columns 'name'"),
        (f"{HEAD}\na,b,c\n,b,d", "row 3: there is no reference"),
        (f"{HEAD}\na,b,c\n\na, ,d", "row 4: there is no moving"),
        (f"{HEAD}\na,b,c,d", "row 2: there are 4 cells, but 3 columns"),
        (f"{HEAD}\na,b,c\nd,e,C", "row 3: row 2 has the same name"),
        (f"{HEAD}\na,b,c\na,./a,d", "row 3: reference and moving are one volume. Name two different"),
        (f"{HEAD}\na,b,../c", "row 2: the name is no name of a file"),
        (f"{HEAD}\na,b,.c", "row 2: the name is no name of a file"),
        (f"{HEAD}\na,b,Thumbnails", "row 2: the name is taken"),
        (f'{HEAD}\na,b,c\na,"b"x,d', "row 3: "),
        (f'{HEAD}\na,b,c\na,"b,d', "row 3: "),
        (f"{HEAD}\na,b\0,c", "row 2: "),
        (f"{HEAD},plane\na,b,c,tilted", "row 2: the plane is none of: acquisition, axial, sagittal, coronal"),
        (f"{HEAD},window\na,b,c,mine", "row 2: the window is none of"),
        (f"{HEAD},balance\na,b,c,101", "row 2: the balance is no number from 0 to 100"),
        (f"{HEAD},balance\na,b,c,nan", "row 2: the balance holds what is no number"),
        (f"{HEAD},moving_window\na,b,c,7", "row 2: a window is two numbers"),
        (f"{HEAD},moving_window\na,b,c,7 7", "row 2: a window's lower number comes first"),
        (f"{HEAD},patient_id\na,b,c,x\\y", "row 2: A patient ID has up to 64 characters, none of them a backslash"),
        (f"{HEAD},patient_name\na,b,c,A^B^C^D^E^F", "row 2: A patient's name, as Family^Given, has up to 5 parts"),
        (f"{HEAD},gray\na,b,c,perhaps", "row 2: gray is yes or no"),
        (f"{HEAD},gray,colors\na,b,c,yes,PET-Heat", "row 2: choose colors or gray"),
    ],
)
def test_broken_tables_name_the_row(table, text, sentence):
    with pytest.raises(PairsError, match=re.escape(sentence)):
        read_pairs(table(text))


def test_all_broken_rows_are_told_at_once_but_not_thousands(table):
    with pytest.raises(PairsError) as raised:
        read_pairs(table(HEAD + "\na,,b" * 30))
    assert len(str(raised.value).splitlines()) == 21 and str(raised.value).endswith("And 10 more rows.")
    with pytest.raises(PairsError, match="row 3: this is no UTF-8"):
        read_pairs(table(f"{HEAD}\na,b,c\nd,e,Müller", "latin-1"))


def test_choices_are_those_of_the_library():
    from AMIFusionLib.fusion_job import FusionOptions
    from AMIFusionLib.volumes import intensity, planes

    assert planes.PLANES == PLANES and intensity.WINDOW_CHOICES == WINDOW_CHOICES
    default, options = Pair(2, "a", "b", "c"), FusionOptions()
    assert (default.plane, default.window, default.balance) == (options.plane, options.window, options.balance)


"""Headers whose voxels lie elsewhere: their names, and what is in them."""


@pytest.fixture
def task(scene, pair, tmp_path, model_path):  # noqa: F811
    """A task for the small pair."""
    one = Pair(2, str(pair[0]), str(pair[1]), "one")
    return PairTask(one, ResultsFolder(tmp_path / "out", ".nrrd"), str(model_path), None, "cpu", 1, False, False)


@pytest.fixture
def licensed(task, license_file):  # noqa: F811
    """The same with a license."""
    return replace(task, license_file=str(license_file))


def files(folder):
    """Contents of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pair_is_fused_once(task, tmp_path):
    done = fuse_pair(task)
    assert (done.state, done.problem, done.device, done.is_marked) == (FUSED, "", "cpu", True) and done.seconds > 0
    assert files(tmp_path / "out").keys() == {"one.nrrd", "thumbnails/one.nrrd.jpg", ".batch/one.nrrd.json"}
    before = files(tmp_path / "out")
    again = fuse_pair(task)
    assert again == replace(done, state=KEPT, seconds=again.seconds) and files(tmp_path / "out") == before


def test_pair_is_fused_again_after_a_change_in_another_folder(task, tmp_path):
    (tmp_path / "raw").mkdir()
    voxels, header = tmp_path / "raw" / "ct.raw", tmp_path / "ct2.nhdr"
    SimpleITK.WriteImage(SimpleITK.ReadImage(task.pair.moving), str(header))
    (tmp_path / "ct2.raw").rename(voxels)
    header.write_text(re.sub(r"data file: .*", "data file: raw/ct.raw", header.read_text()))
    task = replace(task, pair=replace(task.pair, moving=str(header)))
    assert [fuse_pair(task).state for _ in range(2)] == [FUSED, KEPT]
    voxels.write_bytes(voxels.read_bytes()[::-1])
    assert [fuse_pair(task).state for _ in range(2)] == [FUSED, KEPT]


@pytest.mark.parametrize(
    "change",
    ["option", "input", "model", "version", "missing", "cut", "damaged", "overwrite", "record", "earlier record"],
)
def test_pair_is_fused_again_after_a_change(task, tmp_path, change, monkeypatch, describe, publisher, parameter_sets):
    assert fuse_pair(task).state == FUSED
    if change == "option":
        task = replace(task, pair=replace(task.pair, plane="coronal"))
    elif change == "input":
        image = SimpleITK.ReadImage(task.pair.moving)
        SimpleITK.WriteImage(image + 1, task.pair.moving)
    elif change == "model":
        from AMIFusionLib.authorization.model_file import seal_model

        seal_model(tmp_path / "new.amif", describe(publisher), *parameter_sets, publisher.model_key)
        task = replace(task, model=str(tmp_path / "new.amif"))
    elif change == "version":
        for module in ("contents", "work"):
            monkeypatch.setattr(f"AMIFusionLib.batch.{module}.__version__", "9.9")
        task = replace(task, version="9.9")
    elif change == "missing":
        (tmp_path / "out" / "one.nrrd").unlink()
    elif change == "cut":
        os.truncate(tmp_path / "out" / "one.nrrd", 100)
    elif change == "damaged":
        content = bytearray((tmp_path / "out" / "one.nrrd").read_bytes())
        content[-1] ^= 1
        (tmp_path / "out" / "one.nrrd").write_bytes(content)
    elif change == "earlier record":
        record = tmp_path / "out" / ".batch" / "one.nrrd.json"
        kept = json.loads(record.read_text())
        del kept["sha256"]
        record.write_text(json.dumps(kept))
    elif change == "overwrite":
        task = replace(task, overwrite=True)
    else:
        record = tmp_path / "out" / ".batch" / "one.nrrd.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "is_complete": False}))
    assert fuse_pair(task).state == FUSED
    assert fuse_pair(replace(task, overwrite=False)).state == KEPT


def test_license_counts_and_a_clean_result_stays_clean(task, licensed, tmp_path):
    assert fuse_pair(task).is_marked
    done = fuse_pair(licensed)
    assert (done.state, done.licensee) == (FUSED, "Dr. Test")
    clean = files(tmp_path / "out")
    kept = fuse_pair(task)
    assert (kept.state, kept.licensee) == (KEPT, "Dr. Test")
    changed = replace(task, pair=replace(task.pair, balance=20.0))
    refused = fuse_pair(changed)
    assert refused.state == FAILED and "a marked one would take its place" in refused.problem
    assert files(tmp_path / "out") == clean
    assert fuse_pair(replace(changed, overwrite=True)).is_marked
    assert files(tmp_path / "out") != clean


def test_revoked_license_leaves_the_result_marked(licensed, publisher, license_file):  # noqa: F811
    number = inspect_license(license_file.read_text(encoding="utf-8"))["jti"]
    revoked = read_revocation_list(
        make_list(publisher, number, issued=datetime.now(timezone.utc)), publisher.public_key
    )
    task = pickle.loads(pickle.dumps(replace(licensed, revocations=revoked)))
    done = fuse_pair(task)
    assert done.is_marked and f"its number is {number}" in done.license_problem
    others = replace(task, revocations=replace(revoked, revoked={}))
    assert fuse_pair(others).licensee == "Dr. Test"


def test_license_stays_in_the_worker(licensed, license_file, caplog):  # noqa: F811
    text = license_file.read_text()
    license_file.write_text(text[:-8])
    broken = fuse_pair(replace(licensed, with_traceback=True))
    assert broken.is_marked and "not a complete license" in broken.license_problem
    license_file.write_text(text)
    done = fuse_pair(licensed)
    carried = pickle.dumps((licensed, broken, done)) + repr((licensed, broken, done)).encode() + caplog.text.encode()
    assert done.licensee == "Dr. Test"
    for part in text.split("."):
        assert part[:-8].encode() not in carried
    license_file.unlink()
    assert "test.license" in fuse_pair(replace(licensed, overwrite=True)).problem


def test_what_no_batch_wrote_is_not_replaced(task, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one.nrrd").write_text("precious")
    refused = fuse_pair(task)
    assert refused.state == FAILED and "is there already" in refused.problem
    assert files(tmp_path / "out") == {"one.nrrd": b"precious"}
    assert fuse_pair(replace(task, overwrite=True)).state == FUSED


def test_thumbnail_that_no_batch_wrote_is_not_replaced(task, tmp_path):
    (tmp_path / "out" / "thumbnails").mkdir(parents=True)
    (tmp_path / "out" / "thumbnails" / "one.nrrd.jpg").write_text("precious")
    assert "one.nrrd.jpg is there already" in fuse_pair(task).problem
    assert files(tmp_path / "out") == {"thumbnails/one.nrrd.jpg": b"precious"}


@pytest.mark.parametrize("damage", ["seconds", "cut off"])
def test_damaged_record_counts_as_none(task, licensed, tmp_path, damage):
    assert fuse_pair(task).is_marked
    path = tmp_path / "out" / ".batch" / "one.nrrd.json"

    def spoil():
        content = path.read_text()
        path.write_text(content[:40] if damage == "cut off" else json.dumps({**json.loads(content), "seconds": "abc"}))
        assert task.results.read_record("one") is None

    spoil()
    again = fuse_pair(task)
    if damage == "seconds":
        assert again.state == FUSED
        spoil()
    else:
        # Nobody knows that it is not a clean one.
        assert "may be a clean result, whose record is damaged" in again.problem
    assert fuse_pair(licensed).licensee == "Dr. Test"
    spoil()
    clean = files(tmp_path / "out")
    assert "Give --license, or add --overwrite." in fuse_pair(task).problem and files(tmp_path / "out") == clean
    assert fuse_pair(licensed).state == FUSED and fuse_pair(licensed).state == KEPT


def test_death_between_result_and_record_is_recovered_from(licensed, task, tmp_path, monkeypatch):
    writing = ResultsFolder.write_record

    def dying(self, name, record):
        if record.is_complete:
            raise SystemExit
        writing(self, name, record)

    monkeypatch.setattr(ResultsFolder, "write_record", dying)
    with pytest.raises(SystemExit):
        fuse_pair(licensed)
    monkeypatch.undo()
    assert (tmp_path / "out" / "one.nrrd").exists()
    assert "a marked one would take its place" in fuse_pair(task).problem
    assert fuse_pair(licensed).state == FUSED


def test_failures_are_sentences_and_lose_nothing(task, tmp_path, monkeypatch, capfd):
    assert fuse_pair(task).state == FUSED
    before = files(tmp_path / "out")
    (tmp_path / "note.nrrd").write_text("hello")
    whole = (tmp_path / "ct.nrrd").read_bytes()
    (tmp_path / "cut.nrrd").write_bytes(whole[: len(whole) // 2])
    for change, sentence in (
        ({"moving": str(tmp_path / "none.nrrd")}, "none.nrrd does not exist."),
        ({"moving": str(tmp_path / "cut.nrrd")}, "cannot be read as a volume"),
        ({"moving": str(tmp_path / "note.nrrd")}, "cannot be read as a volume"),
        ({"colors": "nothing"}, "There is no color table 'nothing'"),
        ({"patient_id": "7", "reference": str(tmp_path / "note.nrrd")}, "cannot be read"),
    ):
        failed = fuse_pair(replace(task, pair=replace(task.pair, **change)))
        assert failed.state == FAILED and sentence in failed.problem and not failed.traceback
        assert "\n" not in failed.problem
    assert capfd.readouterr() == ("", "")
    for error, sentence in (
        (MemoryError(), "Use fewer workers"),
        (RuntimeError("itk: Failed to allocate memory"), "Use fewer workers"),
        (KeyError("x"), "Unexpected KeyError: 'x'"),
    ):
        monkeypatch.setattr(work, "inputs_hash", lambda *_, error=error: (_ for _ in ()).throw(error))
        failed = fuse_pair(replace(task, with_traceback=True))
        assert sentence in failed.problem and "in fuse_pair" in failed.traceback
    assert files(tmp_path / "out") == before
    assert "instead of 0.0" in fuse_pair(replace(task, version="0.0")).problem


def test_pairs_leave_nothing_in_the_process(task):
    from AMIFusionLib.batch import fusing

    nodes = []
    for number in range(3):
        broken = {"colors": "nothing"} if number == 2 else {}
        done = fuse_pair(replace(task, pair=replace(task.pair, name=str(number), **broken)))
        assert done.state == (FAILED if broken else FUSED)
        nodes.append(fusing._process_scene().GetNumberOfNodes())
    assert len(set(nodes)) == 1 and fusing._process_scene.cache_info().misses == 1


def test_series_are_written_whole_and_keep_what_others_put_there(task, dicom_pair, tmp_path):  # noqa: F811
    one = replace(task.pair, reference=str(dicom_pair[0]), moving=str(dicom_pair[1]))
    task = replace(task, pair=one, results=ResultsFolder(tmp_path / "out", ""))
    assert fuse_pair(task).state == FUSED and fuse_pair(task).state == KEPT
    assert len(list((tmp_path / "out" / "one").iterdir())) == 9
    assert written(tmp_path / "out" / "one")[0].PatientID == "P-17"
    image = tmp_path / "out" / "one" / "0003.dcm"
    image.unlink()
    assert fuse_pair(task).state == FUSED
    image.write_bytes(image.read_bytes()[:-1] + b"\1")
    assert [fuse_pair(task).state for _ in range(2)] == [FUSED, KEPT]
    (tmp_path / "out" / "one" / "thesis.txt").write_text("precious")
    refused = fuse_pair(task)
    assert refused.state == FAILED and "holds other things" in refused.problem
    assert (tmp_path / "out" / "one" / "thesis.txt").exists()
    refused = fuse_pair(replace(task, pair=replace(one, name="two", patient_id="7")))
    assert "names its patient" in refused.problem


def test_options_of_a_row_count(task, dicom_pair, tmp_path):  # noqa: F811
    other = SeriesMaker("CT", ball((12, 40, 44), 1), PatientID="Q-99").write(tmp_path / "other", [1] * 12)
    warned = fuse_pair(replace(task, pair=replace(task.pair, reference=str(dicom_pair[0]), moving=str(other))))
    assert "different patients" in warned.warnings[0] and warned.state == FUSED
    assert fuse_pair(replace(task, pair=warned.pair)).warnings == warned.warnings
    affine = SimpleITK.AffineTransform(3)
    affine.SetTranslation((9.0, 0, 0))
    SimpleITK.WriteTransform(affine, str(tmp_path / "t.tfm"))
    images = {}
    for name, change in {
        "plain": {}, "color": {"colors": "PET-Heat"}, "window": {"moving_window": (0.0, 200.0)},
        "moved": {"transform": str(tmp_path / "t.tfm")}, "balance": {"balance": 0.0}, "plane": {"plane": "coronal"},
    }.items():  # fmt: skip
        assert fuse_pair(replace(task, pair=replace(task.pair, name=name, **change))).state == FUSED
        images[name] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out" / f"{name}.nrrd")))
    assert images.pop("color").shape[-1] == 3
    assert len({image.astype(np.float64).tobytes() for image in images.values()}) == 5
