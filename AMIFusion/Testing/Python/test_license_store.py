"""The store that keeps a license between sessions: private from the first byte, and never a crash."""

import os
import stat
import subprocess
import sys
import threading

import pytest
from AMIFusionLib import license_store
from AMIFusionLib.license_store import LARGEST_BYTES, LicenseStore, LicenseStoreError

SECRET = "eyJhbGciOiJFZERTQSJ9.eyJrZXkiOiJ0b3Atc2VjcmV0In0." + "s" * 86

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@pytest.fixture
def store(tmp_path):
    """A store whose folder does not exist yet."""
    return LicenseStore(tmp_path / "settings" / "AMIFusion")


def mode(path):
    """Permission bits."""
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_keeps_one_license_until_it_is_forgotten(store):
    assert store.load() is None and not store.is_occupied
    store.save(f"  {SECRET}\n")
    assert store.load() == SECRET and store.is_occupied
    store.save("another")
    assert LicenseStore(store.path.parent).load() == "another"
    store.forget()
    store.forget()
    assert store.load() is None and list(store.path.parent.iterdir()) == []


def test_a_license_file_comes_back_as_it_was(store, issue):
    from AMIFusionLib.authorization.license import license_file_text

    text = license_file_text(issue(licensee="Dr. Gr\u00fcn \u2013 \u5f20"))
    store.save(text)
    assert store.load() == text.strip()


@posix_only
def test_only_the_owner_can_read_whatever_the_umask(store):
    before = os.umask(0)
    try:
        store.save(SECRET)
    finally:
        os.umask(before)
    assert (mode(store.path), mode(store.path.parent)) == (0o600, 0o700)


@posix_only
def test_private_from_the_first_byte(store, monkeypatch):
    """The mode is looked at when the data go to the disk, before the file gets its name."""
    seen, sync = [], os.fsync

    def watch(descriptor):
        seen.extend((stat.S_IMODE(os.fstat(descriptor).st_mode), store.is_occupied))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    store.save(SECRET)
    assert seen == [0o600, False]


@posix_only
def test_an_open_folder_and_an_open_file_are_tightened(store):
    store.path.parent.mkdir(parents=True)
    store.path.parent.chmod(0o755)
    store.save(SECRET)
    assert mode(store.path.parent) == 0o700
    store.path.chmod(0o644)
    assert store.load() == SECRET and mode(store.path) == 0o600


@posix_only
def test_what_cannot_be_tightened_is_not_read(store, monkeypatch):
    store.save(SECRET)
    store.path.chmod(0o644)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    assert store.load() is None


@posix_only
def test_what_another_user_owns_is_not_read(store, monkeypatch):
    store.save(SECRET)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert store.load() is None


@posix_only
def test_a_disk_that_keeps_nothing_private_gets_no_license(store, monkeypatch):
    make = license_store.tempfile.mkstemp

    def open_to_all(**options):
        descriptor, path = make(**options)
        os.fchmod(descriptor, 0o666)
        return descriptor, path

    monkeypatch.setattr(license_store.tempfile, "mkstemp", open_to_all)
    with pytest.raises(LicenseStoreError, match="others could read") as caught:
        store.save(SECRET)
    assert SECRET not in str(caught.value)
    assert list(store.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"  \n ", b"\xff\xfe\x00\x01", b"text\x00more", b"\x89PNG\r\n\x1a\n", b"a" * (LARGEST_BYTES + 1)],
    ids=["empty", "blank", "not UTF-8", "zero byte", "picture", "too large"],
)
def test_what_is_no_license_text_is_none(store, content):
    store.save(SECRET)
    store.path.write_bytes(content)
    assert store.load() is None and store.is_occupied
    store.forget()
    assert not store.is_occupied


def test_a_folder_in_its_place_is_none(store):
    store.path.mkdir(parents=True)
    assert store.load() is None
    with pytest.raises(LicenseStoreError, match="yourself"):
        store.forget()
    with pytest.raises(LicenseStoreError, match="cannot be kept"):
        store.save(SECRET)


@posix_only
def test_links_and_pipes_are_not_read(store, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(SECRET)
    store.path.parent.mkdir(parents=True)
    store.path.symlink_to(elsewhere)
    assert store.load() is None
    store.save("mine")
    assert elsewhere.read_text() == SECRET and store.load() == "mine"
    store.forget()
    os.mkfifo(store.path, 0o600)
    assert store.load() is None


def test_a_failed_save_keeps_what_was_there_and_shows_nothing(store, monkeypatch):
    store.save("before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(LicenseStoreError, match="No space left on device.*Check the folder") as caught:
        store.save(SECRET)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None and caught.value.__context__ is None
    assert store.load() == "before" and [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    store = LicenseStore(tmp_path / "file" / "AMIFusion")
    with pytest.raises(LicenseStoreError, match="enter the license in each session"):
        store.save(SECRET)
    assert store.load() is None
    store.forget()


def test_a_text_that_load_would_refuse_is_not_saved(store):
    with pytest.raises(LicenseStoreError, match="too long"):
        store.save("a" * (LARGEST_BYTES + 1))
    assert not store.is_occupied


def test_what_an_interrupted_save_left_is_forgotten_too(store):
    store.save(SECRET)
    left = store.path.with_name(".remembered-abc")
    left.write_text(SECRET)
    store.forget()
    assert list(store.path.parent.iterdir()) == []


def test_a_reader_never_sees_half_a_license(store):
    texts = {letter * 20000 for letter in "ab"}
    store.save("a" * 20000)
    done, wrong = threading.Event(), []

    def read():
        while not done.is_set():
            text = store.load()
            if text not in texts:
                wrong.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(50):
        store.save("ab"[turn % 2] * 20000)
    done.set()
    reader.join()
    assert wrong == []


def test_needs_no_slicer():
    loaded = "[name for name in ('slicer', 'qt', 'torch', 'jwt') if name in sys.modules]"
    code = f"import sys, AMIFusionLib.license_store; print({loaded})"
    environment = {**os.environ, "PYTHONPATH": str(license_store.__file__).rsplit("/AMIFusionLib", 1)[0]}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]", run.stderr
