"""Outputs appear whole or not at all."""

from pathlib import Path

import pytest
from AMIFusionLib.whole_output import check_free, check_writable, problem_of, whole


def content(folder):
    """All files below a folder, with what is in them."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(tmp_path):
    """A folder and a file of an earlier run."""
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_text("old")
    (tmp_path / "file.nrrd").write_text("old")
    return tmp_path


def test_new_file_and_folder_replace_the_old(old):
    with whole(old / "file.nrrd") as place:
        place.write_text("new")
        assert (old / "file.nrrd").read_text() == "old"
    with whole(old / "series", folder=True) as place:
        (place / "2.dcm").write_text("new")
        assert content(old / "series") == {"1.dcm": "old"}
    assert content(old) == {"file.nrrd": "new", "series/2.dcm": "new"}


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_what_fails_changes_nothing(old, error):
    before = content(old)
    for name, folder in (("file.nrrd", False), ("series", True), ("new.nrrd", False), ("new", True)):
        with pytest.raises(type(error)), whole(old / name, folder=folder) as place:
            (place / "2.dcm" if folder else place).write_text("half")
            raise error
    assert content(old) == before and sorted(path.name for path in old.iterdir()) == ["file.nrrd", "series"]


def test_old_folder_comes_back_if_the_new_one_cannot_be_put_there(old, monkeypatch):
    original = Path.replace

    def replace(self, target):
        if (self / "2.dcm").exists():
            raise OSError("refused")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="refused"), whole(old / "series", folder=True) as place:
        (place / "2.dcm").write_text("new")
    assert content(old) == {"file.nrrd": "old", "series/1.dcm": "old"}


def test_old_folder_comes_back_after_control_c_between_both_renames(old, monkeypatch):
    original = Path.replace

    def replace(self, target):
        moved = original(self, target)
        if self == old / "series":
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt), whole(old / "series", folder=True) as place:
        (place / "2.dcm").write_text("new")
    assert content(old) == {"file.nrrd": "old", "series/1.dcm": "old"}
    assert sorted(path.name for path in old.iterdir()) == ["file.nrrd", "series"]


def test_old_folder_is_kept_aside_where_it_cannot_come_back(old, monkeypatch):
    original = Path.replace

    def replace(self, target):
        if target == old / "series":
            raise OSError("refused")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="refused"), whole(old / "series", folder=True) as place:
        (place / "2.dcm").write_text("new")
    assert [path.read_text() for path in old.rglob("1.dcm")] == ["old"]


@pytest.mark.parametrize("name", ["replaced", "set-aside"])
def test_a_target_may_be_named_as_the_folders_beside_it(old, name):
    with pytest.raises(OSError), whole(old / name) as place:
        place.write_text("half")
        raise OSError("disk full")
    assert sorted(path.name for path in old.iterdir()) == ["file.nrrd", "series"]
    for text in ("first", "second"):
        with whole(old / name, folder=True) as place:
            (place / "1.dcm").write_text(text)
    assert content(old / name) == {"1.dcm": "second"}


def test_a_place_of_the_wrong_kind_is_refused_before_the_work(old):
    (old / "empty").mkdir()
    with pytest.raises(IsADirectoryError, match="Name a file"):
        check_free(old / "empty", overwrite=True, folder=False)
    with pytest.raises(NotADirectoryError, match="is a file, and a folder"):
        check_free(old / "file.nrrd", overwrite=True, folder=True)
    check_free(old / "empty", folder=True)


@pytest.mark.parametrize("name", [".", "..", "empty/.."])
def test_where_the_shell_stands_is_no_place(old, monkeypatch, name):
    (old / "empty").mkdir()
    monkeypatch.chdir(old / "empty")
    with pytest.raises(IsADirectoryError, match="no name of its own"):
        check_free(Path(name), folder=True)


def test_only_what_may_be_replaced_is(old):
    check_free(old / "new")
    (old / "empty").mkdir()
    check_free(old / "empty")
    check_free(old / "file.nrrd", overwrite=True)
    check_free(old / "series", overwrite=True, replaceable=".dcm")
    for path, more in (
        ("file.nrrd", {}), ("series", {}), ("series", {"overwrite": True}),
        ("series", {"overwrite": True, "replaceable": ".nrrd"}), (".", {"overwrite": True, "replaceable": ".dcm"}),
    ):  # fmt: skip
        with pytest.raises(FileExistsError):
            check_free(old / path, **more)


def test_overwriting_is_advised_only_where_it_can_be_asked_for(old):
    for overwrite, is_advised in ((None, False), (False, True)):
        with pytest.raises(FileExistsError) as refused:
            check_free(old / "file.nrrd", overwrite)
        assert ("--overwrite" in str(refused.value)) == is_advised


def test_places_that_cannot_be_written_are_refused_before_the_work(old, monkeypatch):
    for name in ("file.nrrd/x.nrrd", "file.nrrd/deep/x.nrrd"):
        with pytest.raises(NotADirectoryError, match="is no folder. Choose another place"):
            check_free(old / name)
    for name in ("file.nrrd", "file.nrrd/deep"):
        with pytest.raises(NotADirectoryError, match="is no folder. Choose another place"):
            check_writable(old / name, into=True)
    for name in ("series", "new/deep"):
        check_writable(old / name, into=True)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != old)
    with pytest.raises(PermissionError, match="does not allow it"):
        check_free(old / "new" / "x.nrrd")


def test_bare_errors_of_files_become_sentences(old):
    for action, reason in (
        (lambda: (old / "file.nrrd").mkdir(), "in its place"), (lambda: (old / "series").write_text(""), "Name a file"),
        (lambda: (old / "file.nrrd" / "x").write_text(""), "is a file and no folder"),
        (lambda: (old / "none" / "x").write_text(""), "Check its name"),
    ):  # fmt: skip
        with pytest.raises(OSError) as raised:
            action()
        sentence = problem_of(raised.value)
        assert sentence.startswith(str(old)) and reason in sentence and "Errno" not in sentence
    assert problem_of(OSError(28, "No space left on device")) == (
        "A file cannot be used (No space left on device). Make room on the disk."
    )
    assert problem_of(OSError("A sentence.")) == "A sentence."
