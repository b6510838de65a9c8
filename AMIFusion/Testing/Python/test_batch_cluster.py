"""Batches on Dask: the command, workers that are killed, interruptions, and where a license must not appear."""

import json
import os
import pickle
import signal
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest
import SimpleITK
from AMIFusionLib.authorization.license import inspect_license
from AMIFusionLib.batch import cluster
from AMIFusionLib.batch.pairs import Pair
from AMIFusionLib.batch.results import ResultsFolder
from AMIFusionLib.batch.work import FAILED, FUSED, Outcome, PairTask
from dicom_files import SeriesMaker
from distributed import Client, LocalCluster
from small_volumes import ball, license_file, run  # noqa: F401 (fixtures)
from test_revocation_list import make_list

LIBRARY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two_workers():
    """Two worker processes, as the command starts them; no pair may kill more than one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "MOST_KILLED", 1)
        with cluster.local_workers(2) as client:
            yield client


@pytest.fixture
def on_two_workers(two_workers, monkeypatch):
    """Lets the command use them instead of its own."""

    @contextmanager
    def shared(count):
        yield two_workers

    monkeypatch.setattr(cluster, "local_workers", shared)
    return two_workers


@pytest.fixture
def in_threads():
    """Options for a scheduler elsewhere, whose one worker has three threads of this process."""
    options = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=3, **options) as there, Client(there):
        yield "--scheduler", there.scheduler_address


@pytest.fixture
def studies(tmp_path):
    """A folder with three pairs of files, two broken ones among them, and their table."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for number in range(2):
        for name, shape in (("mr", (5, 32, 32)), ("ct", (6, 36, 32))):
            image = SimpleITK.GetImageFromArray(ball(shape, number).astype("int16"))
            SimpleITK.WriteImage(image, str(folder / f"{name}{number}.nrrd"))
    (folder / "broken.nrrd").write_text("hello")
    (folder / "pairs.csv").write_text(
        "reference,moving,name\nmr0.nrrd,ct0.nrrd,one\nmr0.nrrd,broken.nrrd,two\nmr1.nrrd,ct1.nrrd,three\n"
        "mr1.nrrd,none.nrrd,four\n"
    )
    return folder


def everything(folder):
    """Contents of all files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def states(told):
    """What became of the pairs, by name."""
    return {each["name"]: each["state"] for each in told["pairs"]}


def test_failures_stop_nothing_and_no_license_is_seen(
    on_two_workers, studies, tmp_path, model_path, license_file, capfd, monkeypatch  # noqa: F811
):  # fmt: skip
    out, sent, submit = tmp_path / "out", [], on_two_workers.submit
    monkeypatch.setattr(on_two_workers, "submit", lambda *args, **how: sent.append((args, how)) or submit(*args, **how))
    command = ("batch", studies / "pairs.csv", "--out", out, "--model", model_path, "--license", license_file)
    told = json.loads(run(*command, "--json", expect=1).out)
    assert states(told) == {"one": "fused", "two": "failed", "three": "fused", "four": "failed"}
    assert told["counts"] == {"fused": 2, "kept": 0, "failed": 2, "not done": 0} and told["marked"] == 0
    assert [each["problem"] is None for each in told["pairs"]] == [True, False, True, False]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [".batch", "one.nrrd", "three.nrrd", "thumbnails", "report.csv", "report.html"]
    )
    said = run(*command, expect=1)
    assert "two (row 3): " in said.err and "Traceback" not in said.err and "2 kept, 2 failed" in said.out
    on_two_workers.dump_cluster_state(str(tmp_path / "dump"), format="yaml")
    logs = [on_two_workers.get_scheduler_logs(), on_two_workers.get_worker_logs()]
    texts = str((told, said.out, said.err, capfd.readouterr(), logs, sent)).encode() + pickle.dumps(sent)
    written = b"".join(content for path, content in everything(tmp_path).items() if path != license_file)
    # The search sees what is there: the license's path on its way, its owner and the tasks' keys in files.
    assert str(license_file).encode() in texts and b"Dr. Test" in written and b"fuse-" in written
    seen = texts + written
    for part in license_file.read_text().strip().split("."):
        assert len(part) > 20 and part[:20].encode() not in seen


def test_exit_codes_resume_and_a_scheduler_elsewhere(
    scene, in_threads, studies, tmp_path, model_path, license_file  # noqa: F811
):  # fmt: skip
    (studies / "none.nrrd").symlink_to("ct0.nrrd")
    (studies / "broken.nrrd").unlink()
    (studies / "broken.nrrd").symlink_to("ct1.nrrd")
    command = ("batch", studies / "pairs.csv", "--out", tmp_path / "out", "--model", model_path, "--json", *in_threads)
    marked = json.loads(run(*command, expect=3).out)
    assert marked["marked"] == 4 and set(states(marked).values()) == {"fused"}
    clean = json.loads(run(*command, "--license", license_file, "--format", "nifti").out)
    assert (clean["marked"], clean["exit_code"], clean["counts"]["fused"]) == (0, 0, 4)
    image = SimpleITK.ReadImage(str(studies / "ct1.nrrd"))
    SimpleITK.WriteImage(image + 5, str(studies / "ct1.nrrd"))
    again = json.loads(run(*command, expect=3).out)
    assert states(again) == {"one": "kept", "two": "fused", "three": "fused", "four": "kept"}
    run(*command, "--workers", "1", expect=2)
    table = (studies / "pairs.csv").rename(tmp_path / "out" / "report.csv")
    before = table.read_bytes()
    refused = run("batch", table, "--out", tmp_path / "out", "--overwrite", *in_threads, expect=2)
    assert "which is the table of pairs" in refused.err and table.read_bytes() == before
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Made without a valid license and marked: 4." in page and page.count('<td class="marked">marked') == 4


def test_scheduler_that_is_not_there_is_told(studies, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.2)
    command = ("batch", studies / "pairs.csv", "--out", tmp_path / "out", "--scheduler")
    assert "No Dask scheduler answers at tcp://127.0.0.1:1." in run(*command, "tcp://127.0.0.1:1", expect=1).err
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0") as empty:
        assert "has no workers" in run(*command, empty.scheduler_address, expect=1).err
    assert not list((tmp_path / "out").glob("report.*"))
    (studies / "pairs.csv").write_text("reference,moving\na,\n")
    assert "row 2: there is no moving" in run(*command, "tcp://127.0.0.1:1", expect=1).err
    assert not list((tmp_path / "out").glob("*.nrrd"))


def test_what_answers_and_is_no_scheduler_is_told(studies, tmp_path, monkeypatch):
    """Its answer is taken for the size of a message: more than any memory has."""
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 2)

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        told = run("batch", studies / "pairs.csv", "--out", tmp_path / "out", "--scheduler", address, expect=1).err
        server.shutdown()
    assert f"No Dask scheduler answers at {address}." in told and "memory" not in told


def test_worker_killed_while_writing_loses_nothing(on_two_workers, tmp_path, model_path):
    SeriesMaker("MR", ball((90, 32, 32), 0)).write(tmp_path / "mr")
    SeriesMaker("CT", ball((9, 32, 32), 1)).write(tmp_path / "ct", [1] * 9)
    (tmp_path / "pairs.csv").write_text("reference,moving,name\nmr,ct,one\n")
    out, pids, killed = tmp_path / "out", on_two_workers.run(os.getpid), []

    def kill_while_writing():
        while not (halves := [half for half in out.glob(".amifusion-*/one") if list(half.iterdir())]):
            time.sleep(0.001)
        killed.extend(pids[address] for address, keys in on_two_workers.processing().items() if keys)
        os.kill(killed[0], signal.SIGKILL)
        killed.extend(halves)

    killer = threading.Thread(target=kill_while_writing, daemon=True)
    killer.start()
    command = ("batch", tmp_path / "pairs.csv", "--out", out, "--model", model_path, "--format", "dicom", "--json")
    told = json.loads(run(*command, expect=3).out)
    killer.join(10)
    assert len(killed) == 2 and killed[0] not in on_two_workers.run(os.getpid).values()
    assert states(told) == {"one": "fused"}
    assert sorted(path.name for path in out.iterdir()) == [".batch", "one", "report.csv", "report.html", "thumbnails"]
    assert len(list((out / "one").iterdir())) == 90
    assert states(json.loads(run(*command, expect=3).out)) == {"one": "kept"}


@pytest.fixture
def scheduler_elsewhere(tmp_path):
    """A scheduler with one worker, in processes of their own: (address, the scheduler's process)."""
    place = tmp_path / "scheduler.json"
    named = ("--scheduler-file", str(place), "--no-dashboard")
    commands = (
        ("dask_scheduler", "--port", "0", "--host", "127.0.0.1"),
        ("dask_worker", "--nthreads", "1", "--no-nanny"),
    )
    processes = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *named, *more], stderr=subprocess.DEVNULL)
        for name, *more in commands
    ]
    deadline = time.monotonic() + 60
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield json.loads(place.read_text())["address"], processes[0]
    for process in processes:
        process.kill()
        process.wait()


def test_scheduler_that_goes_in_the_middle_is_told(scheduler_elsewhere, tmp_path, model_path, capfd):
    address, process = scheduler_elsewhere
    results = ResultsFolder(tmp_path, ".nrrd")
    pairs = [Pair(row, str(tmp_path / "none"), str(tmp_path / "none too"), f"r{row}") for row in range(2, 400)]
    tasks = (PairTask(pair, results, str(model_path), None, "cpu", 1, False, False, None) for pair in pairs)
    seen = []
    told = pytest.raises(cluster.ClusterError, match="The scheduler is gone. Start it again")
    with told, cluster.workers_of(address) as client:
        for outcome in cluster.outcomes(client, tasks):
            seen.append(outcome.state)
            process.kill()
    assert seen and set(seen) == {FAILED}
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err and "distributed" not in said.err


def test_few_tasks_are_handed_over_at_a_time():
    """However many rows: each of the two stand-in workers has one, and the rest are not even made."""
    made, flying = [], []

    class Future(Outcome):
        status = "finished"

        def done(self):
            return True

        def result(self):
            return self

        def release(self):
            flying.remove(self)

        __hash__ = object.__hash__

    class OtherWorkers:
        def nthreads(self):
            return {"one": 1, "two": 4}

        def submit(self, work, task, **options):
            flying.append(Future(task.pair, FUSED))
            assert len(flying) <= 2 and len(made) <= counted + 4
            return flying[-1]

        def cancel(self, futures):
            assert not futures

    def tasks():
        for row in range(500):
            made.append(row)
            yield PairTask(Pair(row, "a", "b", "c"), ResultsFolder(Path(), ""), "", None, "cpu", 1, False, False)

    counted = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "wait", lambda *_, **__: None)
        for _ in cluster.outcomes(OtherWorkers(), tasks()):
            counted += 1
    assert counted == 500 and not flying


@pytest.mark.parametrize("command", ["batch", "train"])
def test_devices_that_are_not_here_are_wrong_use(tmp_path, studies, command):
    arguments = ("batch", studies / "pairs.csv", "--out") if command == "batch" else ("train", "--data", studies)
    said = run(*arguments, tmp_path / "out", "--device", "cuda:99", expect=2)
    assert "There is no device 'cuda:99' here" in said.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["batch", "evaluate", "attack"])
def test_revocation_lists_count(in_threads, tmp_path, studies, model_path, license_file, publisher, command):  # noqa: F811
    number = inspect_license(license_file.read_text(encoding="utf-8"))["jti"]
    now = datetime.now(timezone.utc)
    (tmp_path / "list.txt").write_text(make_list(publisher, number, issued=now), encoding="utf-8")
    (studies / "manifest.csv").write_text(
        "pair,case,split,functional_or_ct,mri,atlas_slices\n"
        "ct-mri,1,train,ct0.nrrd,mr0.nrrd,0\nct-mri,2,validation,ct1.nrrd,mr1.nrrd,0\n"
    )
    common = ["--license", license_file, "--revocations", tmp_path / "list.txt", "--out", tmp_path / "out"]
    if command == "batch":
        said = run("batch", studies / "pairs.csv", "--model", model_path, *common, *in_threads, expect=1)
        assert "none that is valid: results are marked" in said.out
    else:
        said = run(command, model_path, "--data", studies, *common, expect=1)
    assert f"its number is {number}" in said.err and license_file.read_text()[-60:] not in said.err


def test_interrupted_batch_goes_on_later(scene, in_threads, tmp_path, studies, model_path):
    rows = "".join(f"mr{n % 2}.nrrd,ct{n % 2}.nrrd,{n}\n" for n in range(20))
    (studies / "pairs.csv").write_text("reference,moving,name\n" + rows)
    out = tmp_path / "out"
    arguments = ["batch", str(studies / "pairs.csv"), "--out", str(out), "--model", str(model_path), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "AMIFusionLib.cli", *arguments, "--workers", "1"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        # Tests that run in a shell's background ignore control-C, and what they start would do so too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while len(list(out.glob("*.nrrd"))) < 2 and process.poll() is None:
        time.sleep(0.005)
    # As control-C in a terminal: to the command and to its workers.
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=120)
    told = json.loads(said)
    done = [name for name, state in states(told).items() if state == "fused"]
    assert process.returncode == 1 and told["interrupted"] and 1 <= len(done) < 20, (told["counts"], errors)
    left = "1 pair is" if len(done) == 19 else f"{20 - len(done)} pairs are"
    assert errors == f"amifusion: Interrupted: {left} not done. Run the same command again to go on.\n"
    assert not list(out.glob("**/.amifusion-*")) and f"{20 - len(done)} not done" in (out / "report.html").read_text()
    resumed = json.loads(run(*arguments, *in_threads, expect=3).out)
    assert resumed["counts"]["failed"] == 0 and resumed["counts"]["not done"] == 0
    assert resumed["counts"]["kept"] >= len(done) and len(list(out.glob("*.nrrd"))) == 20


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_batch_stopped_while_its_workers_start_says_no_more(scene, tmp_path, studies, model_path, request_to_end):
    process = subprocess.Popen(
        [sys.executable, "-m", "AMIFusionLib.cli", "batch", str(studies / "pairs.csv"), "--out", str(tmp_path / "out"),
         "--model", str(model_path), "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    # The first that comes is not a worker, but keeps Python's account of what processes share.
    while len(psutil.Process(process.pid).children()) < 2 and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, request_to_end)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors == "amifusion: stopped before it was done.\n"
    assert os.listdir(tmp_path / "out") == [".batch"]


def test_pair_that_kills_workers_is_given_up(two_workers, monkeypatch, tmp_path):
    """The last test on these workers, whose end nobody waits for."""

    def deadly(task):
        if task.pair.name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(task.pair, FUSED)

    monkeypatch.setattr(cluster, "fuse_pair", deadly)
    results = ResultsFolder(tmp_path, ".nrrd")
    tasks = [
        PairTask(Pair(row, "a", "b", name), results, "", None, "cpu", 1, False, False)
        for row, name in enumerate(["a", "deadly", "b", "c"], start=2)
    ]
    ended = {each.pair.name: each for each in cluster.outcomes(two_workers, tasks)}
    assert {name: each.state for name, each in ended.items()} == {
        "a": FUSED, "deadly": FAILED, "b": FUSED, "c": FUSED,
    }  # fmt: skip
    assert "2 workers were killed at it" in ended["deadly"].problem
