"""What a computer knows of revoked licenses: fetched without telling anybody anything, kept, and never unlearned."""

import ctypes
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.revocation import LARGEST_LIST
from AMIFusionLib.revocation_download import DownloadError, RevocationDownload, download_text
from AMIFusionLib.revocations import (
    REFRESH_SECONDS,
    RETRY_SECONDS,
    Revocations,
    RevocationStore,
    list_beside,
    user_folder,
)
from list_server import drip, redirect, serving
from test_revocation_list import NOW, NUMBER, make_list


@pytest.fixture
def server():
    """A server of this test's own."""
    with serving() as running:
        yield running


@pytest.fixture
def folder(tmp_path):
    """Where lists are kept."""
    return tmp_path / "kept"


@pytest.fixture
def store(folder):
    """An empty store."""
    return RevocationStore(folder)


class TestDownload:
    def test_it_is_a_plain_get_that_tells_nothing(self, server, publisher):
        server.content = make_list(publisher, NUMBER).encode()
        assert download_text(server.url()) == server.content.decode()
        ((method, path, headers),) = server.requests
        assert (method, path) == ("GET", "/revocations.txt")
        assert headers.pop("Host") == f"127.0.0.1:{server.server_port}"
        assert headers == {"Accept-Encoding": "identity", "User-Agent": "AMIFusion", "Accept": "text/plain, */*",
                           "Connection": "close"}  # fmt: skip

    @pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "https://127.0.0.1:1/x",
                                        "http://example.org/x", "data:text/plain,x", "//example.org/x"])  # fmt: skip
    def test_redirections_to_unsafe_places_are_not_followed(self, server, target):
        server.answers["/moved"] = redirect(target)
        with pytest.raises(DownloadError, match="not safe|302"):
            download_text(server.url("/moved"))
        assert len(server.requests) == 1

    def test_redirections_to_safe_places_are(self, server):
        server.content, server.answers["/moved"] = b"text", redirect("/revocations.txt")
        assert download_text(server.url("/moved")) == "text"

    def test_circles_end(self, server):
        server.answers["/moved"] = redirect("/moved")
        with pytest.raises(DownloadError, match="302"):
            download_text(server.url("/moved"))
        assert len(server.requests) < 12

    @pytest.mark.parametrize("url", ["file:///etc/hostname", "http://example.org/x", "ftp://localhost/x", "nonsense"])
    def test_other_addresses_are_not_even_tried(self, url, monkeypatch):
        monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
        with pytest.raises(DownloadError, match="cannot be fetched"):
            download_text(url)

    def test_larger_answers_are_not_taken(self, server):
        server.content = b"#" * (LARGEST_LIST + 1)
        with pytest.raises(DownloadError, match=f"larger than {LARGEST_LIST}"):
            download_text(server.url())
        server.content = b"#" * LARGEST_LIST
        assert len(download_text(server.url())) == LARGEST_LIST

    def test_no_answer_wrong_answer_and_no_text(self, server):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with pytest.raises(DownloadError, match="cannot be fetched"):
                download_text(f"http://127.0.0.1:{closed.getsockname()[1]}/x")
        server.answers["/gone"] = lambda handler: handler.send_error(404, "secret words of the server")
        with pytest.raises(DownloadError, match=r"\(404\)"):
            download_text(server.url("/gone"))
        server.answers["/noise"] = lambda handler: handler.wfile.write(b"\x00\xff" * 50)
        with pytest.raises(DownloadError, match="cannot be fetched"):
            download_text(server.url("/noise"))
        server.content = b"\xff\xfe\x00"
        with pytest.raises(DownloadError, match="UnicodeDecodeError"):
            download_text(server.url())

    def test_a_slow_server_holds_nobody_up(self, server):
        server.answers["/slow"] = drip(3)
        started = time.monotonic()
        with pytest.raises(DownloadError, match="too long"):
            download_text(server.url("/slow"), timeout=0.3)
        assert time.monotonic() - started < 2

    def test_a_server_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
            started = time.monotonic()
            download = RevocationDownload(url, timeout=0.3)
            assert download.text() is None and time.monotonic() - started < 0.2
            with pytest.raises(DownloadError):
                while download.text(0.05) is None:
                    assert time.monotonic() - started < 3

    def test_a_process_does_not_wait_for_it_to_end(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            program = (
                "from AMIFusionLib.revocation_download import RevocationDownload\n"
                f"RevocationDownload('http://127.0.0.1:{silent.getsockname()[1]}/x', timeout=60)\n"
            )
            root = Path(__file__).resolve().parents[2]
            subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=30)

    @pytest.mark.skipif(os.name == "nt", reason="holds the interpreter by the C library's usleep")
    def test_it_comes_through_beside_a_loop_that_never_lets_go(self, publisher):
        """As in Slicer, whose event loop keeps Python's lock while it waits; the server is another process."""
        text = make_list(publisher, *(f"00000000-0000-4000-8000-{number:012x}" for number in range(1000)))
        program = (
            "import sys\nfrom list_server import serving\n"
            "with serving() as server:\n"
            "    server.content = sys.stdin.buffer.read()\n"
            "    print(server.url(), flush=True)\n"
            "    import time\n    time.sleep(60)\n"
        )
        command, here = [sys.executable, "-c", program], Path(__file__).parent
        with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                process.stdin.write(text)
                process.stdin.close()
                download = RevocationDownload(process.stdout.readline().strip())
                library, turns, longest = ctypes.PyDLL(None), 0, 0.0
                while True:
                    library.usleep(100_000)
                    before = time.perf_counter()
                    got = download.text(0.01)
                    longest = max(longest, time.perf_counter() - before)
                    turns += 1
                    if got is not None:
                        break
                    assert turns < 80
            finally:
                process.kill()
        assert got == text
        print(f"fetched in {turns} turns of 0.1 s; the longest held the loop for {1000 * longest:.0f} ms")


class TestStore:
    def test_what_was_accepted_is_known_in_the_next_session(self, store, folder, publisher):
        assert store.known(publisher.public_key) is None
        store.accept(make_list(publisher, NUMBER), publisher.public_key)
        assert NUMBER in RevocationStore(folder).known(publisher.public_key).revoked

    def test_an_older_list_is_refused_and_the_newer_kept(self, store, folder, publisher):
        newer = make_list(publisher, NUMBER, sequence=9)
        older = make_list(publisher, sequence=8, issued=NOW - timedelta(days=3))
        store.accept(newer, publisher.public_key)
        for each in (store, RevocationStore(folder)):
            with pytest.raises(errors.RevocationRollbackError, match="which still counts"):
                each.accept(older, publisher.public_key)
            assert NUMBER in each.known(publisher.public_key).revoked
        assert store.path(publisher.public_key).read_text(encoding="utf-8") == newer

    def test_of_two_lists_of_one_number_the_first_counts(self, store, publisher):
        store.accept(make_list(publisher, NUMBER, sequence=9), publisher.public_key)
        assert NUMBER in store.accept(make_list(publisher, sequence=9), publisher.public_key).revoked

    def test_a_forged_list_is_refused_and_the_genuine_kept(self, store, publisher, make_publisher):
        store.accept(make_list(publisher, NUMBER), publisher.public_key)
        with pytest.raises(errors.RevocationSignatureError):
            store.accept(make_list(make_publisher(), sequence=99), publisher.public_key)
        assert NUMBER in store.known(publisher.public_key).revoked

    def test_publishers_have_lists_of_their_own(self, store, publisher, make_publisher):
        other = make_publisher()
        store.accept(make_list(publisher, NUMBER), publisher.public_key)
        assert store.known(other.public_key) is None
        assert store.path(other.public_key) != store.path(publisher.public_key)

    def test_another_process_may_have_learned_more(self, store, folder, publisher):
        store.accept(make_list(publisher), publisher.public_key)
        RevocationStore(folder).accept(make_list(publisher, NUMBER, sequence=6), publisher.public_key)
        assert NUMBER in store.known(publisher.public_key).revoked

    @pytest.mark.parametrize("content", [b"", b"\xff\x00", b"hello", b"#" * (LARGEST_LIST + 1), "cut", "forged"])
    def test_a_broken_file_counts_as_none_and_is_replaced(self, store, folder, publisher, make_publisher, content):
        text = make_list(publisher, NUMBER)
        forged = make_list(make_publisher(), sequence=1 << 50)
        made = {"cut": text[:-9].encode(), "forged": forged.encode()}.get(content, content)
        folder.mkdir()
        store.path(publisher.public_key).write_bytes(made)
        assert store.known(publisher.public_key) is None
        store.accept(text, publisher.public_key)
        assert NUMBER in RevocationStore(folder).known(publisher.public_key).revoked

    @pytest.mark.parametrize("kind", ["a file where the folder should be", "a folder where the file should be"])
    def test_where_nothing_can_be_written_it_is_known_until_the_end(self, store, folder, publisher, kind):
        if kind.startswith("a file"):
            folder.write_text("in the way")
        else:
            store.path(publisher.public_key).mkdir(parents=True)
        store.accept(make_list(publisher, NUMBER), publisher.public_key)
        assert NUMBER in store.known(publisher.public_key).revoked
        with pytest.raises(errors.RevocationRollbackError):
            store.accept(make_list(publisher, sequence=4), publisher.public_key)
        assert RevocationStore(folder).known(publisher.public_key) is None

    def test_nothing_is_left_over(self, store, folder, publisher):
        store.accept(make_list(publisher, NUMBER), publisher.public_key)
        store.accept(make_list(publisher, sequence=6), publisher.public_key)
        assert list(folder.iterdir()) == [store.path(publisher.public_key)]


class Downloads:
    """Stands in for ``RevocationDownload``: gives what a test says, at once."""

    def __init__(self, answer):
        self.answer, self.urls = answer, []

    def __call__(self, url):
        self.urls.append(url)
        return self

    def text(self, wait=0.0):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestRevocations:
    URL = "https://example.org/revocations.txt"

    @pytest.fixture
    def description(self, describe, publisher):
        """A model that says where the list is."""
        return describe(publisher, revocation_url=self.URL)

    def test_the_models_address_is_asked_once_a_day(self, folder, publisher, description):
        downloads = Downloads(make_list(publisher, NUMBER))
        revocations = Revocations(folder, downloads)
        assert revocations.begin_refresh(description) and revocations.end_refresh(description)
        assert NUMBER in revocations.current(description).revoked and revocations.problem == ""
        assert not revocations.begin_refresh(description)
        assert not Revocations(folder, downloads).begin_refresh(description)
        path = revocations.store.path(publisher.public_key)
        os.utime(path, (time.time() - REFRESH_SECONDS - 9,) * 2)
        assert not revocations.begin_refresh(description)
        assert Revocations(folder, downloads).begin_refresh(description) and downloads.urls == [self.URL] * 2

    def test_after_a_failure_other_sessions_wait_an_hour(self, folder, publisher, description):
        downloads = Downloads(DownloadError("no network"))
        failed = Revocations(folder, downloads)
        assert failed.begin_refresh(description) and failed.end_refresh(description)
        assert not Revocations(folder, downloads).begin_refresh(description) and len(downloads.urls) == 1
        (marker,) = folder.iterdir()
        assert marker.read_bytes() == b""
        os.utime(marker, (time.time() - RETRY_SECONDS - 9,) * 2)
        downloads.answer = make_list(publisher, NUMBER)
        again = Revocations(folder, downloads)
        assert again.begin_refresh(description) and again.end_refresh(description)
        assert list(folder.iterdir()) == [again.store.path(publisher.public_key)]

    def test_a_clock_that_was_set_back_does_not_stop_it(self, folder, publisher, description):
        Revocations(folder).store.accept(make_list(publisher), publisher.public_key)
        os.utime(Revocations(folder).store.path(publisher.public_key), (time.time() + 10**8,) * 2)
        assert Revocations(folder, Downloads("")).begin_refresh(description)

    def test_the_same_list_again_counts_as_fetched(self, folder, publisher, description):
        text = make_list(publisher, NUMBER)
        first = Revocations(folder, Downloads(text))
        first.store.accept(text, publisher.public_key)
        os.utime(first.store.path(publisher.public_key), (1e9, 1e9))
        assert first.begin_refresh(description) and first.end_refresh(description)
        assert not Revocations(folder, Downloads(text)).begin_refresh(description)

    def test_without_an_address_nobody_is_asked(self, folder, describe, publisher):
        downloads = Downloads("")
        assert not Revocations(folder, downloads).begin_refresh(describe(publisher)) and downloads.urls == []

    def test_no_answer_changes_nothing_and_is_not_spoken_of(self, folder, publisher, description):
        revocations = Revocations(folder, Downloads(DownloadError("no network")))
        revocations.store.accept(make_list(publisher, NUMBER), publisher.public_key)
        os.utime(revocations.store.path(publisher.public_key), (1e9, 1e9))
        assert revocations.begin_refresh(description) and revocations.end_refresh(description)
        assert NUMBER in revocations.current(description).revoked and revocations.problem == ""
        assert not revocations.begin_refresh(description)
        revocations.begin_refresh(description, self.URL)
        revocations.end_refresh(description)
        assert revocations.problem == "no network"

    @pytest.mark.parametrize("kind", ["forged", "older", "nonsense"])
    def test_a_bad_list_is_refused_and_said(self, folder, publisher, make_publisher, description, kind):
        answers = {
            "forged": make_list(make_publisher(), sequence=99),
            "older": make_list(publisher, sequence=4),
            "nonsense": "<html>Please log in to the hospital's network</html>",
        }
        revocations = Revocations(folder, Downloads(answers[kind]))
        revocations.store.accept(make_list(publisher, NUMBER), publisher.public_key)
        revocations.begin_refresh(description, self.URL)
        assert revocations.end_refresh(description)
        assert NUMBER in revocations.current(description).revoked and len(revocations.problem) > 40

    def test_a_download_under_way_is_looked_after(self, folder, publisher, description):
        downloads = Downloads(None)
        revocations = Revocations(folder, downloads)
        assert revocations.begin_refresh(description) and not revocations.end_refresh(description)
        assert revocations.begin_refresh(description) and len(downloads.urls) == 1
        downloads.answer = make_list(publisher, NUMBER)
        assert revocations.end_refresh(description) and revocations.end_refresh(description)

    def test_a_list_beside_the_model_counts(self, folder, publisher, describe, make_publisher, model_path):
        description, beside = describe(publisher), list_beside(model_path)
        assert beside.name == "test.revocations"
        revocations = Revocations(folder)
        assert revocations.current(description, model_path) is None
        beside.write_text(make_list(publisher, NUMBER))
        assert NUMBER in revocations.current(description, model_path).revoked
        # An older one beside it is what one expects after a newer was fetched.
        revocations.store.accept(make_list(publisher, NUMBER, sequence=50), publisher.public_key)
        assert revocations.current(description, model_path).sequence == 50 and revocations.problem == ""
        beside.write_text(make_list(make_publisher()))
        assert revocations.current(description, model_path).sequence == 50
        assert revocations.problem.startswith("test.revocations: This revocation list was changed")
        beside.unlink()
        beside.mkdir()
        assert revocations.current(description, model_path).sequence == 50

    def test_folder_of_each_system(self, monkeypatch, tmp_path):
        assert user_folder() == Path(os.environ["AMIFUSION_FOLDER"])
        monkeypatch.delenv("AMIFUSION_FOLDER")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr(sys, "platform", "linux")
        assert user_folder() == tmp_path / "amifusion"
        monkeypatch.setattr(sys, "platform", "darwin")
        assert user_folder().parts[-3:] == ("Library", "Application Support", "AMIFusion")
