"""Files of trainings, evaluations and the license store that are damaged or made to do harm, and what is no file."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import hostile_builders as build
import numpy as np
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import check_license
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.license_store import LARGEST_BYTES, LicenseStore
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.manifest import read_manifest
from AMIFusionLib.training.run_folder import read_run
from test_hostile_models import HOSTILE_ARCHIVES, HOSTILE_MODELS

# What training and evaluation read

MANIFEST_HEAD = b"pair,case,split,functional_or_ct,mri\n"

HOSTILE_MANIFESTS = {
    "empty": b"",
    "null bytes": bytes(1000),
    "UTF-16": "pair,case,split,functional_or_ct,mri\nct,1,train,a,b\n".encode("utf-16"),
    "name with a null byte": MANIFEST_HEAD + b"ct,1,train,a\0.nrrd,b.nrrd\n",
    "name that leads up": MANIFEST_HEAD + b"ct,1,train,../a.nrrd,b.nrrd\n",
    "name that leads up in the middle": MANIFEST_HEAD + b"ct,1,train,a.nrrd,x/../../b.nrrd\n",
    "absolute name": MANIFEST_HEAD + b"ct,1,train,/etc/passwd,b.nrrd\n",
    "case that paints a terminal": MANIFEST_HEAD + b"ct,\x1b[2J,train,a.nrrd,b.nrrd\n",
    "case of two lines": MANIFEST_HEAD + b'ct,"1\n2",train,a.nrrd,b.nrrd\n',
    "long case": MANIFEST_HEAD + b"ct," + b"1" * 5000 + b",train,a.nrrd,b.nrrd\n",
    "field of a megabyte": MANIFEST_HEAD + b"ct," + b"1" * 1_000_000 + b",train,a.nrrd,b.nrrd\n",
    "quotation mark that does not end": MANIFEST_HEAD + b'ct,"1,train,a.nrrd,b.nrrd\n' * 3,
    "column given twice": b"pair,case,split,functional_or_ct,mri,mri\nct,1,train,a.nrrd,b.nrrd,c.nrrd\n",
    "short row": MANIFEST_HEAD + b"ct,1,train\n",
    "a million columns": b",".join(b"%d" % at for at in range(300_000)) + b"\n" + b"x\n" * 300_000,
    "too large": MANIFEST_HEAD + b"ct,1,validation,a.nrrd,b.nrrd\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE_MANIFESTS)
def test_hostile_manifest(tmp_path, name):
    (tmp_path / "manifest.csv").write_bytes(HOSTILE_MANIFESTS[name])
    with pytest.raises(ValueError, match=r"manifest\.csv .*"):
        read_manifest(tmp_path, "train")


def test_manifest_from_a_spreadsheet_on_windows(tmp_path):
    content = b"\xef\xbb\xbf" + MANIFEST_HEAD + b"ct,1,train,sub/a.nrrd,b.nrrd\n"
    (tmp_path / "manifest.csv").write_bytes(content.replace(b"\n", b"\r\n"))
    (row,) = read_manifest(tmp_path, "train")
    assert row.first == tmp_path / "sub" / "a.nrrd"


HOSTILE_CONFIGURATIONS = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "deep nesting": b'{"mark": ' + b"[" * 100_000,
    "deep nesting that ends": b'{"licensed_weights": {"edges": ' + b"[" * 700 + b"]" * 700 + b"}}",
    "name given twice": b'{"steps": 1, "steps": 2}',
    "NaN": b'{"learning_rate": NaN}',
    "infinity": b'{"learning_rate": Infinity}',
    "beyond a float": b'{"learning_rate": 1e999}',
    "rate of 4000 digits": b'{"learning_rate": ' + build.DIGITS.encode() + b"}",
    "weight of 4000 digits": b'{"licensed_weights": {"edges": ' + build.DIGITS.encode() + b"}}",
    "steps of 4000 digits": b'{"steps": ' + build.DIGITS.encode() + b"}",
    "seed that PyTorch does not take": b'{"seed": 100000000000000000000}',
    "crop that fills the memory": b'{"crop_size": 1000000}',
    "negative batch": b'{"batch_size": -1}',
    "channels of 4000 digits": b'{"hyperparameters": {"mark_size": 9, "channels": ' + build.DIGITS.encode() + b"}}",
    "truth for a number": b'{"steps": true}',
    "not in UTF-8": b'{"mark": "\xff"}',
    "UTF-16": '{"steps": 1}'.encode("utf-16"),
    "too large": b" " * (1 << 21),
}


@pytest.mark.parametrize("name", HOSTILE_CONFIGURATIONS)
def test_hostile_configuration(tmp_path, name):
    path = tmp_path / "configuration.json"
    path.write_bytes(HOSTILE_CONFIGURATIONS[name])
    with pytest.raises(ValueError, match=r"configuration\.json (is not a training configuration: .|is larger)"):
        TrainingConfiguration.load(path)


def test_configuration_from_an_editor_on_windows(tmp_path):
    path = tmp_path / "configuration.json"
    path.write_bytes(b"\xef\xbb\xbf" + TrainingConfiguration(steps=7).to_json().replace("\n", "\r\n").encode())
    assert TrainingConfiguration.load(path) == TrainingConfiguration(steps=7)


def run_archive(public=build.GOOD_ARRAY, sealed=build.GOOD_ARRAY, **options):
    return build.zipped(("public/a.npy", public), ("sealed/a.npy", sealed), **options)


HOSTILE_RUNS = {
    "empty": b"",
    "one set only": build.zipped(("public/a.npy", build.GOOD_ARRAY)),
    "no set": build.zipped(),
    "a third set": build.zipped(("other/a.npy", build.GOOD_ARRAY)),
    "no set's name": build.zipped(("a.npy", build.GOOD_ARRAY)),
    "name that leads up": build.zipped(("public/../a.npy", build.GOOD_ARRAY), ("sealed/../a.npy", build.GOOD_ARRAY)),
    "shapes that differ": run_archive(sealed=build.array_file(np.ones(4, np.float32))),
    "Python objects": run_archive(build.array_file(np.array([{}], dtype=object))),
    "a pickle for an array": run_archive(b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    "NaN": run_archive(build.array_file(np.full(3, np.nan, np.float32))),
    "float64": run_archive(build.array_file(np.ones(3))),
    "array of 4 TB": run_archive(build.npy(shape=(10**12,)), compression=zipfile.ZIP_DEFLATED),
    "200 MB in 200 kB": run_archive(build.npy(shape=(50_000_000,), data=bytes(200_000_000)), compression=8),
    "200 MB in 200 kB, said to be 100 bytes": build.lying_deflation(200_000_000),
    "overlapping members": build.overlapping(2000, 1 << 16),
}


@pytest.mark.parametrize("name", HOSTILE_RUNS)
def test_hostile_parameters_of_a_run(tmp_path, name):
    (tmp_path / "configuration.json").write_text(TrainingConfiguration().to_json())
    (tmp_path / "parameters.npz").write_bytes(HOSTILE_RUNS[name])
    tracemalloc.start()
    with pytest.raises(ValueError, match="Train again"):
        read_run(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_compressed_parameters_of_a_run_are_read(tmp_path):
    """What training writes, with a mark that compresses a hundred times."""
    values = {f"{which}/{name}": array for which in ("public", "sealed") for name, array in (
        ("mark", np.zeros((1, 1, 192, 192), np.float32)), ("gain", np.float32(1)),
        ("weight", np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))),
    )}  # fmt: skip
    (tmp_path / "configuration.json").write_text(TrainingConfiguration().to_json())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **values)
    (tmp_path / "parameters.npz").write_bytes(buffer.getvalue())
    run = read_run(tmp_path)
    for name, value in values.items():
        which, key = name.split("/")
        np.testing.assert_array_equal(getattr(run, which)[key], value)


def peers(case="1", value="0.5", slices='["a"]'):
    return (
        f'{{"slices": {{"ct": {{"case": {json.dumps(case)}, "slices": {slices}}}}},'
        f' "values": {{"ct": {{"m": {{"SSIM": {value}}}}}}}}}'
    ).encode()


HOSTILE_PEERS = {
    "empty": b"",
    "null": b"null",
    "deep nesting": b'{"slices": ' + b"[" * 100_000,
    "deep nesting that ends": peers(value="[" * 900 + "]" * 900),
    "name given twice": peers().replace(b'"values"', b'"slices"'),
    "NaN": peers(value="NaN"),
    "beyond a float": peers(value="1e999"),
    "number of 4000 digits": peers(value=build.DIGITS),
    "number in words": peers(value='"0.5"'),
    "truth for a number": peers(value="true"),
    "case no text": peers(case=3),
    "slices no list": peers(slices="3"),
    "slices no texts": peers(slices="[[1]]"),
    "not in UTF-8": peers().replace(b"SSIM", b"\xff"),
    "too large": b" " * (1 << 23),
}


@pytest.mark.parametrize("name", HOSTILE_PEERS)
def test_hostile_peers(tmp_path, name):
    path = tmp_path / "peers.json"
    path.write_bytes(HOSTILE_PEERS[name])
    with pytest.raises(ValueError, match="does not hold recorded measures: it needs|Give another file"):
        read_peers(path)


def test_peers_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "peers.json"
    path.write_bytes(b"\xef\xbb\xbf" + peers())
    assert read_peers(path).values == {"ct": {"m": {"SSIM": 0.5}}}


# The license store


@pytest.mark.parametrize("content", [b"", b" \n", bytes(50), b"\xff\xfe\x00", b"a\x1b[2J", b"x" * (LARGEST_BYTES + 1)])
def test_store_with_something_else_in_it(tmp_path, content):
    store = LicenseStore(tmp_path)
    store.path.write_bytes(content)
    assert store.load() is None and store.is_occupied


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u00ad", "\r\n"])
def test_store_gives_back_what_programs_put_into_a_license(tmp_path, issue, model, mark):
    """Such a license holds, so that remembering it must not lose it."""
    text = issue()
    store = LicenseStore(tmp_path)
    store.save(mark + text[:80] + mark + text[80:])
    assert check_license(store.load(), model.description).licensee == "Dr. Test"


# What is no file

READERS = {
    "model": read_model,
    "signing key": read_signing_key,
    "master key": read_master_key,
    "configuration": TrainingConfiguration.load,
    "peers": read_peers,
}


@pytest.mark.parametrize("kind", ["folder", "missing", "link to nothing", "null byte in its name"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(tmp_path, reader, kind):
    path = tmp_path / "thing\0" if kind == "null byte in its name" else tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    with pytest.raises((ValueError, OSError), match="Give a|Check its name"):
        READERS[reader](path)


def test_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.amif"
    path.touch(mode=0o000)
    if os.access(path, os.R_OK):
        # Whoever may read everything finds an empty file.
        with pytest.raises(errors.ModelFileError):
            read_model(path)
    else:
        with pytest.raises(PermissionError, match="Check its name and its permissions"):
            read_model(path)


PROBE = """
import json, resource, sys, time
from pathlib import Path
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.license_store import LicenseStore
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.manifest import read_manifest
from AMIFusionLib.training.run_folder import read_run
readers = {
    "model": read_model, "signing": read_signing_key, "master": read_master_key,
    "configuration": TrainingConfiguration.load, "peers": read_peers, "run": read_run,
    "manifest": lambda path: read_manifest(path, "train"), "store": lambda path: LicenseStore(path).load(),
}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for line in sys.stdin:
    reader, path = line.rstrip("\\n").split(" ", 1)
    started = time.monotonic()
    try:
        outcome = "read" if readers[reader](Path(path)) is not None else "nothing"
    except (ValueError, OSError) as error:
        outcome = f"refused: {error}"
    except BaseException as error:
        outcome = f"crashed: {error!r}"
    print(json.dumps([reader, path, outcome[:300], time.monotonic() - started]), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits of memory are measured where /proc is")
def test_memory_and_time_stay_bounded(tmp_path, model_path, publisher):
    """In a process that may take 160 MB more: pipes, endless devices, and everything that unpacks or announces much."""
    whole, jobs = model_path.read_bytes(), []
    for index, archive in enumerate(HOSTILE_ARCHIVES.values()):
        jobs.append(("model", tmp_path / f"archive-{index}.amif", build.with_public(whole, archive)))
    for index, make in enumerate(HOSTILE_MODELS.values()):
        jobs.append(("model", tmp_path / f"model-{index}.amif", make(whole)))
    for index, content in enumerate(HOSTILE_RUNS.values()):
        jobs.append(("run", tmp_path / f"run-{index}", content))
    for index, content in enumerate(HOSTILE_MANIFESTS.values()):
        jobs.append(("manifest", tmp_path / f"manifest-{index}", content))
    for reader, path, content in jobs:
        if reader in ("run", "manifest"):
            path.mkdir()
            (path / "configuration.json").write_text(TrainingConfiguration().to_json())
            path = path / {"run": "parameters.npz", "manifest": "manifest.csv"}[reader]
        path.write_bytes(content)
    asked = [(reader, path) for reader, path, _ in jobs]
    asked += endless(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", PROBE, str(160 << 20)],
        input="".join(f"{reader} {path}\n" for reader, path in asked),
        capture_output=True, text=True, timeout=100, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(answers) == len(asked), process.stderr[-2000:]
    for reader, path, outcome, seconds in answers:
        assert outcome.startswith("refused: ") or (reader, outcome) == ("store", "nothing"), (reader, path, outcome)
        assert seconds < 10, (reader, path, seconds)


def endless(folder):
    """(reader, path) of a pipe that nobody writes to, of devices without an end and of a sparse file of 2 GB."""
    os.mkfifo(folder / "pipe")
    with open(folder / "sparse", "wb") as file:
        file.truncate(2 << 30)
    (folder / "link to a device").symlink_to("/dev/zero")
    paths = [folder / "pipe", Path("/dev/zero"), Path("/dev/urandom"), folder / "sparse", folder / "link to a device"]
    for reader in ("model", "signing", "master", "configuration", "peers"):
        for path in paths:
            yield reader, path
    for index, path in enumerate(paths):
        for reader, name in (("run", "parameters.npz"), ("manifest", "manifest.csv"), ("store", "remembered.license")):
            place = folder / f"{reader} of endless {index}"
            place.mkdir()
            if reader == "run":
                (place / "configuration.json").write_text(TrainingConfiguration().to_json())
            (place / name).symlink_to(path)
            yield reader, place
