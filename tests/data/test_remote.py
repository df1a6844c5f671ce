"""Gameplay at addresses: copied once, resumed, renewed when changed, and clear lines for what is wrong."""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest

from tinyworlds.data import H5DataModule, remote, remote_access
from tinyworlds.data.sources import find_files
from tinyworlds.errors import ConfigError, MissingExtraError, MissingFileError, StorageError

RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@pytest.fixture(autouse=True)
def copies(tmp_path, monkeypatch):
    """The folder of copies; nothing is remembered from another test, and no proxy stands between."""
    folder = tmp_path / "copies"
    monkeypatch.setenv(remote.FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(remote_access, "_WAITS_S", (0.0, 0.0))
    again()
    yield folder
    fsspec.filesystem("memory").store.clear()


def again() -> None:
    """What a new process knows: nothing."""
    remote._fetch_once.cache_clear()
    fsspec.filesystem("memory").invalidate_cache()
    fsspec.AbstractFileSystem.clear_instance_cache()


def in_memory(source: Path, name: str) -> str:
    fsspec.filesystem("memory").pipe(f"/bucket/{name}", source.read_bytes())
    return f"memory://bucket/{name}"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; knows ranges if asked to, and breaks connections after some bytes."""

    def do_GET(self):
        state, path = self.server.state, Path(self.translate_path(self.path))
        state["gets"].append((self.path, self.headers.get("Range")))
        time.sleep(state["pause_s"])
        if state["status"]:
            return self.send_error(state["status"])
        if not path.is_file():
            return super().do_GET()
        content = path.read_bytes()
        asked = RANGE.fullmatch(self.headers.get("Range") or "") if state["ranges"] else None
        start, stop = 0, len(content)
        if asked:
            start, stop = int(asked[1]), min(int(asked[2] or stop) + 1, stop)
        self.send_response(206 if asked else 200)
        self.send_header("ETag", '"' + hashlib.sha256(content).hexdigest() + '"')
        self.send_header("Content-Length", str(stop - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        if state["allowed"] is not None:
            stop = min(stop, start + state["allowed"])
        with contextlib.suppress(ConnectionError):  # the reader was killed
            self.wfile.write(content[start:stop])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A web server over `tmp_path / "site"`; returns its state, with "url"."""
    (tmp_path / "site").mkdir()
    handler = functools.partial(Handler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        http_server.state = {"ranges": True, "allowed": None, "status": 0, "pause_s": 0.0, "gets": []}
        thread = threading.Thread(target=http_server.serve_forever, args=(0.02,))
        thread.start()
        yield http_server.state | {
            "state": http_server.state,
            "url": f"http://127.0.0.1:{http_server.server_port}/",
        }
        http_server.shutdown()
        thread.join()


# ---- what is copied


def test_a_file_is_trained_on_as_if_it_were_here(tiny_h5, copies):
    module = H5DataModule(in_memory(tiny_h5, "tiny_frames.h5"), batch_size=4)
    module.prepare_data()
    module.setup("fit")
    (copy,) = module.files
    assert Path(copy).is_relative_to(copies)
    assert Path(copy).name == "tiny_frames.h5"  # which names the game
    assert Path(copy).read_bytes() == tiny_h5.read_bytes()
    assert next(iter(module.train_dataloader()))["frames"].shape == (4, 4, 16, 16, 3)


@pytest.mark.parametrize("end", ["", "/", "/*.h5", "/**/*.h5"])
def test_folders_and_patterns(tiny_h5, end):
    for name in ("zelda/b.h5", "zelda/a.h5", "zelda/notes.txt", "zelda/.cache/a-0.h5", "other/c.h5"):
        in_memory(tiny_h5, name)
    names = [Path(path).name for path in find_files("memory://bucket/zelda" + end, None)]
    assert names == ["a.h5", "b.h5"]


def test_a_local_address(tiny_h5):
    (copy,) = find_files(tiny_h5.as_uri(), None)
    assert Path(copy) != tiny_h5
    assert Path(copy).read_bytes() == tiny_h5.read_bytes()


def test_addresses_and_files_together(tiny_h5, make_h5):
    other = make_h5("other.h5", seed=3)
    found = find_files([str(other), in_memory(tiny_h5, "tiny_frames.h5")], None)
    assert [Path(path).name for path in found] == ["other.h5", "tiny_frames.h5"]


def test_a_changed_file_is_another_copy(tiny_h5, make_h5):
    (old,) = find_files(in_memory(tiny_h5, "x_frames.h5"), None)
    changed = make_h5("changed.h5", seed=9)
    in_memory(changed, "x_frames.h5")
    (same_process,) = find_files("memory://bucket/x_frames.h5", None)
    assert same_process == old, "one run sees one version"
    again()
    (new,) = find_files("memory://bucket/x_frames.h5", None)
    assert new != old
    assert Path(new).read_bytes() == changed.read_bytes()
    assert Path(old).read_bytes() == tiny_h5.read_bytes()


# ---- a web server


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("block", [2**24, 10_000])
def test_from_a_web_server(server, tiny_h5, tmp_path, monkeypatch, ranges, block):
    monkeypatch.setattr(remote_access, "BLOCK_BYTES", block)
    server["state"]["ranges"] = ranges
    (tmp_path / "site" / "tiny_frames.h5").write_bytes(tiny_h5.read_bytes())
    (copy,) = find_files(server["url"] + "tiny_frames.h5", None)
    assert Path(copy).read_bytes() == tiny_h5.read_bytes()


def test_a_folder_of_a_web_server(server, tiny_h5, tmp_path):
    for name in ("b.h5", "a.h5", "readme.txt"):
        (tmp_path / "site" / name).write_bytes(tiny_h5.read_bytes())
    assert [Path(path).name for path in find_files(server["url"], None)] == ["a.h5", "b.h5"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_taken_up_again(server, tiny_h5, tmp_path, copies, monkeypatch, ranges):
    monkeypatch.setattr(remote, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(remote_access, "BLOCK_BYTES", 5_000)
    content = tiny_h5.read_bytes()
    (tmp_path / "site" / "tiny_frames.h5").write_bytes(content)
    url = server["url"] + "tiny_frames.h5"
    server["state"].update(ranges=ranges, allowed=17_000 if not ranges else None)
    if ranges:
        real, count = remote_access._attempt, iter(range(100))

        def breaking(file, start):
            for block in real(file, start):
                if next(count) >= 3:
                    raise ConnectionResetError("the cable was pulled")
                yield block

        monkeypatch.setattr(remote_access, "_attempt", breaking)
    with pytest.raises(remote_access.RemoteError, match="goes on where it was"):
        find_files(url, None)
    (part,) = copies.rglob("*.part")
    begun = part.stat().st_size
    assert 0 < begun < len(content)
    assert part.read_bytes() == content[:begun]
    assert not list(copies.rglob("tiny_frames.h5")), "no half file under the final name"
    if ranges:
        monkeypatch.setattr(remote_access, "_attempt", real)
    server["state"].update(allowed=None, gets=[])
    (copy,) = find_files(url, None)
    assert Path(copy).read_bytes() == content
    assert not list(copies.rglob("*.part"))
    asked = [wanted for _, wanted in server["state"]["gets"] if wanted]
    assert not ranges or not any(wanted.startswith("bytes=0-") for wanted in asked), "the beginning was here"


def test_without_a_network_the_copies_of_last_time_are_used(server, tiny_h5, tmp_path):
    (tmp_path / "site" / "tiny_frames.h5").write_bytes(tiny_h5.read_bytes())
    url = server["url"] + "tiny_frames.h5"
    first = find_files(url, None)
    again()
    server["state"]["status"] = 503
    gone = "http://127.0.0.1:9/tiny_frames.h5"  # nobody listens at the port "discard"
    with pytest.raises(
        remote_access.RemoteError, match=r"127\.0\.0\.1:9/tiny_frames\.h5 could not be read"
    ) as caught:
        find_files(gone, None)
    assert "\n" not in str(caught.value)
    note = Path(os.environ[remote.FOLDER_VARIABLE], "addresses", f"{remote_access.digest(gone)}.json")
    note.write_text(json.dumps([Path(first[0]).relative_to(note.parent.parent).as_posix()]))
    with pytest.warns(UserWarning, match="copies of last time"):
        assert find_files(gone, None) == first


def test_a_file_that_changes_meanwhile_is_not_kept(tiny_h5, copies, monkeypatch):
    url, real = in_memory(tiny_h5, "x.h5"), remote.read

    def changing(file, start):
        yield from real(file, start)
        in_memory(tiny_h5, "x.h5")

    monkeypatch.setattr(remote, "read", changing)
    with pytest.raises(remote.DataError, match="changed while it was copied"):
        find_files(url, None)
    assert not [path for path in copies.rglob("*") if path.suffix in (".h5", ".part")]


# ---- several processes


FETCH = "import sys; from tinyworlds.data.sources import find_files; print(find_files(sys.argv[1], None)[0])"


def test_one_process_copies_while_others_wait(server, tiny_h5, tmp_path):
    (tmp_path / "site" / "tiny_frames.h5").write_bytes(tiny_h5.read_bytes())
    server["state"]["pause_s"] = 1.0
    command = [sys.executable, "-c", FETCH, server["url"] + "tiny_frames.h5"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    last_lines = {process.communicate(timeout=120)[0].splitlines()[-1] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(server["state"]["gets"]) == 1
    assert Path(last_lines.pop()).read_bytes() == tiny_h5.read_bytes()
    assert not last_lines, "all take the same copy"


@pytest.mark.slow
def test_a_killed_copy_goes_on(server, tiny_h5, tmp_path, copies):
    content = tiny_h5.read_bytes() + bytes(4 * remote.BLOCK_BYTES)
    (tmp_path / "site" / "big.h5").write_bytes(content)
    command = [sys.executable, "-c", FETCH, server["url"] + "big.h5"]
    server["state"]["pause_s"] = 0.3
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while len(server["state"]["gets"]) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not list(copies.rglob("big.h5"))
    server["state"].update(pause_s=0.0, gets=[])
    (copy,) = find_files(server["url"] + "big.h5", None)
    assert Path(copy).read_bytes() == content
    start = int(RANGE.fullmatch(server["state"]["gets"][0][1])[1])
    assert start >= remote.BLOCK_BYTES, "what came before the kill was kept"


# ---- clear lines


def test_addresses_that_lead_nowhere(server, tiny_h5, monkeypatch):
    in_memory(tiny_h5, "zelda/a.h5")
    for url, error, words in [
        ("memory://bucket/zelda/b.h5", MissingFileError, "zelda/b.h5 does not exist"),
        ("memory://bucket/other/", MissingFileError, "other/ holds no gameplay files"),
        ("memory://bucket/zelda/*.hdf5", MissingFileError, "no gameplay file matches"),
        (server["url"] + "b.h5", MissingFileError, "b.h5 does not exist"),
        ("s4://bucket/a.h5", ConfigError, r"no s4:// addresses. Did you mean 's3'"),
        (server["url"] + "a.h5?signature=secret", MissingFileError, r"a\.h5\?\.\.\. does not exist"),
    ]:
        with pytest.raises(error, match=words) as caught:
            find_files(url, None)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "package", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs")])
def test_a_missing_package_is_named(monkeypatch, scheme, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "tinyworlds\[{extra}\]"'):
        find_files(f"{scheme}://bucket/a.h5", None)


def test_a_disk_without_room(tiny_h5, copies, monkeypatch):
    def full(folder, size, what):
        assert size == tiny_h5.stat().st_size
        raise StorageError(f"no room for {what}")

    monkeypatch.setattr(remote, "check_space", full)
    with pytest.raises(StorageError, match=r"no room for copies of memory://.*TINYWORLDS_CACHE"):
        find_files(in_memory(tiny_h5, "a.h5"), None)


def test_a_name_cannot_leave_the_folder(tiny_h5, copies, monkeypatch):
    url = in_memory(tiny_h5, "a.h5")
    file = remote_access.list_files(url, lambda name: True)[0]
    for name in ("..", "a\\..\\b.h5", "CON.h5"):
        evil = remote_access.RemoteFile(file.system, file.path, name, file.size, file.version)
        monkeypatch.setattr(remote, "list_files", lambda url, wanted, evil=evil: [evil])
        with pytest.raises(remote.DataError, match="refused the file name"):
            find_files(url, None)
    assert not list(copies.rglob("*.h5"))
