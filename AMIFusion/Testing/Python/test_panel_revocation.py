"""The panel and revoked licenses: the list is fetched beside Slicer's event loop, and its answer is said in words."""
# ruff: noqa: F811 (fixtures are imported by name)

import logging
import socket
import time

import pytest
from AMIFusionLib.authorization.license import inspect_license
from AMIFusionLib.authorization.model_file import seal_model
from AMIFusionLib.authorization.revocation import LARGEST_LIST
from list_server import drip, serving
from test_license_section import calls, enter, logic, make, section, status, store, ui  # noqa: F401 (fixtures)
from test_revocation_list import make_list


@pytest.fixture
def server():
    """Where the model says its publisher's list is; at first there is none."""
    with serving() as running:
        running.answers["/revocations.txt"] = lambda handler: handler.send_error(404)
        yield running


@pytest.fixture
def url(server):
    """The list's address."""
    return server.url()


@pytest.fixture
def model_path(tmp_path, publisher, describe, parameter_sets, url):
    """A sealed model file that names the address."""
    path = tmp_path / "test.amif"
    seal_model(path, describe(publisher, revocation_url=url), *parameter_sets, publisher.model_key)
    return path


@pytest.fixture
def publish(server, publisher):
    """Puts a list on the server."""

    def put(*licenses, **options):
        del server.answers["/revocations.txt"]
        numbers = [inspect_license(text)["jti"] for text in licenses]
        server.content = make_list(options.pop("publisher", publisher), *numbers, **options).encode()

    return put


@pytest.fixture
def wait(slicer):
    """Turns the event loop until a condition holds; gives the longest turn in seconds."""

    def turn(condition, seconds=8.0):
        longest, end = 0.0, time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            before = time.perf_counter()
            slicer.app.processEvents()
            longest = max(longest, time.perf_counter() - before)
            time.sleep(0.005)
        return longest

    return turn


def test_a_download_that_ends_at_once_is_not_overlooked(ui, section, issue, logic, publish, wait, server):
    """Between its beginning and the first look of the panel."""
    from AMIFusionLib.revocations import Revocations
    from test_revocations import Downloads

    text = issue()
    publish(text)
    logic._revocations = Revocations(logic.revocations.store.path("x").parent, Downloads(server.content.decode()))
    enter(ui, text)
    wait(lambda: "revoked" in status(ui))


def rest(logic):
    """A question: is no download under way?"""
    return lambda: not logic.revocations._under_way


def test_a_revoked_license_is_licensed_until_the_list_comes(ui, section, issue, logic, calls, publish, wait, server):
    text = issue()
    publish(text)
    started = time.perf_counter()
    enter(ui, text)
    entered = time.perf_counter() - started
    assert section.is_licensed and calls == [1] and entered < 1
    wait(lambda: not section.is_licensed)
    assert "was revoked by Test publisher on" in status(ui) and "Ask desk@example.org for a new one" in status(ui)
    assert calls == [1, 1] and len(server.requests) == 1
    assert not logic.authorization(text).is_licensed
    enter(ui, issue())
    assert status(ui).startswith("Licensed to") and rest(logic)() and len(server.requests) == 1


def test_the_list_is_known_in_the_next_session_without_a_network(ui, make, issue, logic, module, publish, wait, server):
    text = issue()
    publish(text)
    make()
    enter(ui, text)
    wait(lambda: "revoked" in status(ui))
    again = type(logic)()
    server.answers["/revocations.txt"] = lambda handler: handler.send_error(500)
    assert "was revoked" in again.authorization(text).problem and len(server.requests) == 1


def test_a_server_without_a_list_changes_nothing_and_is_asked_once(ui, section, issue, logic, wait, server, calls):
    enter(ui, issue())
    before = status(ui)
    wait(rest(logic))
    for _ in range(3):
        enter(ui, "")
        enter(ui, issue())
        wait(rest(logic))
    assert status(ui) == before and section.is_licensed and len(server.requests) == 1


def test_nobody_is_asked_without_a_license_that_holds(ui, section, issue, logic, server):
    for text in ("nonsense", issue(start=-9, end=-2), issue()[:-9], ""):
        enter(ui, text)
    assert rest(logic)() and server.requests == []


@pytest.mark.parametrize("kind", ["silent", "slow"])
def test_the_panel_goes_on_while_a_server_does_not_answer(ui, section, issue, logic, server, wait, kind):
    server.answers["/revocations.txt"] = drip(3) if kind == "slow" else lambda handler: time.sleep(3)
    enter(ui, issue())
    assert section.is_licensed and not rest(logic)()
    end = time.monotonic() + 1
    longest = wait(lambda: time.monotonic() > end)
    assert longest < 0.1 and section.is_licensed
    print(f"the event loop was held for {1000 * longest:.0f} ms at most")


def test_a_forged_list_is_said_and_does_not_count(ui, section, issue, logic, publish, wait, make_publisher):
    text = issue()
    publish(text, publisher=make_publisher())
    enter(ui, text)
    wait(rest(logic))
    wait(lambda: "does not count" in status(ui))
    assert section.is_licensed and status(ui).startswith("Licensed to")


def test_a_huge_answer_is_not_taken(ui, section, issue, logic, server, wait):
    del server.answers["/revocations.txt"]
    server.content = b"#" * (LARGEST_LIST + 9)
    enter(ui, issue())
    wait(rest(logic))
    assert section.is_licensed


def test_a_stale_list_is_a_warning(ui, section, issue, publisher, logic):
    from test_revocation_list import NOW, timedelta

    logic.revocations.store.accept(make_list(publisher, issued=NOW - timedelta(days=60)), publisher.public_key)
    enter(ui, issue())
    assert section.is_licensed and "should have been renewed by" in status(ui)


def test_closed_while_a_list_is_fetched(ui, section, issue, logic, server, slicer, calls):
    server.answers["/revocations.txt"] = lambda handler: time.sleep(0.3)
    enter(ui, issue())
    section.close()
    count, end = len(calls), time.monotonic() + 0.6
    while time.monotonic() < end:
        slicer.app.processEvents()
    assert len(calls) == count and ui.licenseLineEdit.text == ""


def test_scripts_know_what_the_panel_learned(module, logic, issue, publish, wait, model_path, add_volume, scene):
    text = issue()
    publish(text)
    assert logic.authorization(text, model_path).is_licensed
    wait(lambda: not logic.authorization(text, model_path).is_licensed)
    import numpy as np

    volumes = [add_volume(np.random.default_rng(seed).random((3, 32, 32), np.float32), f"v{seed}") for seed in (0, 1)]
    fused = module.AMIFusionLogic().fuse(*volumes, license=text, model=model_path, device="cpu")
    assert fused.GetAttribute("AMIFusion.Authorized") == "false"


def test_a_folder_that_cannot_be_written_is_no_failure(ui, section, issue, logic, publish, wait, tmp_path):
    from AMIFusionLib.revocations import Revocations

    (tmp_path / "blocked").write_text("")
    logic._revocations = Revocations(tmp_path / "blocked" / "folder")
    text = issue()
    publish(text)
    enter(ui, text)
    wait(lambda: "revoked" in status(ui))


def test_nothing_secret_is_sent_kept_or_logged(ui, section, issue, logic, publish, wait, server, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    text = issue(licensee="Dr. Jane Roe")
    publish(text)
    enter(ui, text)
    wait(lambda: "revoked" in status(ui))
    folder = logic.revocations.store.path("x").parent
    kept = b"".join(path.read_bytes() for path in folder.rglob("*.revocations")).decode()
    shown = repr(server.requests) + kept + caplog.text + "".join(capsys.readouterr()) + status(ui)
    assert not any(part in shown for part in text.split(".")[1:])
    number = inspect_license(text)["jti"]
    assert (
        "Roe" not in shown and number not in repr(server.requests) and socket.gethostname() not in repr(server.requests)
    )


def test_the_preview_stops_being_licensed(publisher, model, issue, monkeypatch):
    from AMIFusionLib.authorization.revocation import read_revocation_list
    from AMIFusionLib.panel.preview_fuser import PreviewFuser

    text, known = issue(), []
    fuser = PreviewFuser(
        lambda: model, lambda: text, lambda: "cpu", revocations=lambda key: known[-1] if known else None
    )
    first = fuser._prepared("cpu")
    assert fuser.state == "Preview, licensed" and fuser._prepared("cpu") is first
    known.append(read_revocation_list(make_list(publisher, inspect_license(text)["jti"]), publisher.public_key))
    assert fuser._prepared("cpu") is not first and fuser.state == "Preview, marked: the license does not hold"
