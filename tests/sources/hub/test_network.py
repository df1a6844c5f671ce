"""`tinyworlds download` from a hub: a real server on this machine that behaves, breaks off, or lies."""

import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinyworlds.commands.cli import main
from tinyworlds.sources.hub import hub_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "AlmondGod/tinyworlds"
CONTENT = bytes(range(256)) * 16_000  # 4 MB


class Hub(ThreadingHTTPServer):
    """One repository: its files, how it misbehaves, and what was asked of it.

    `mode`: "good", "redirect" (to another host, as with large files), "no ranges" (answers 200 to every
    range), "endless" (sends more than announced), "busy" (503 to every other request), or an HTTP status
    that every file is answered with.
    `break_after`: bytes of a file after which the connection is cut, once for each entry.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"zelda_frames.h5": CONTENT}
        self.listing = None
        self.listing_status = 200
        self.mode = "good"
        self.break_after = []
        self.ranges = []
        self.tokens = []

    def siblings(self):
        for name, content in self.files.items():
            sha = hashlib.sha256(content).hexdigest()
            lfs = {"sha256": sha, "size": len(content), "pointerSize": 130}
            yield {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for key, value in {"Content-Length": length or len(body), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        hub = self.server
        if self.path.startswith("/api/datasets/"):
            listing = {"id": REPO, "sha": COMMIT, "siblings": list(hub.siblings())}
            body = json.dumps(listing).encode() if hub.listing is None else hub.listing
            return self.answer(
                hub.listing_status,
                body,
                **({"X-Error-Code": "RepoNotFound"} if hub.listing_status == 404 else {}),
            )
        prefix = f"/datasets/{REPO}/resolve/{COMMIT}/"
        hub.tokens.append(self.headers["Authorization"])
        if hub.mode == "redirect" and self.headers["Host"].startswith("127."):
            return self.answer(302, Location=f"http://localhost:{hub.server_port}{self.path}")
        content = hub.files.get(self.path.removeprefix(prefix))
        if content is None or isinstance(hub.mode, int):
            return self.answer(hub.mode if content is not None else 404)
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        hub.ranges.append(start)
        if hub.mode == "busy" and len(hub.ranges) % 2:
            return self.answer(503)
        if hub.mode == "no ranges":
            return self.send_part(200, content)
        if hub.mode == "endless":
            content += b"more" * 10**6
        return self.send_part(206 if asked else 200, content[start:])

    def send_part(self, status, content):
        if not self.server.break_after:
            return self.answer(status, content)
        self.answer(status, content[: self.server.break_after.pop(0)], length=len(content))
        self.close_connection = True


def point_at(endpoint: str, monkeypatch) -> None:
    """Do what HF_ENDPOINT does, which is read when the library is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants, file_download

    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    point_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    monkeypatch.setattr(hub_source, "_WAITS_S", (0.01, 0.01))
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what a break loses, 10 MB of large files
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


def parts() -> list[Path]:
    return list(Path().rglob("*.part"))


def test_a_data_set_is_fetched_and_remembered(hub, capsys):
    assert main(["download", "datasets"]) == 0
    assert Path("data/zelda_frames.h5").read_bytes() == CONTENT
    assert f"{REPO} {COMMIT[:12]}" in capsys.readouterr().out
    hub.shutdown()
    hub.server_close()
    assert main(["download", "datasets", "--offline"]) == 0
    assert "here, verified" in capsys.readouterr().out
    Path("data/zelda_frames.h5").unlink()
    assert main(["download", "datasets", "--offline"]) != 0
    assert "without --offline" in capsys.readouterr().err
    assert parts() == []


def test_small_files_are_verified_by_their_git_checksum(hub, capsys):
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    sibling = {"rfilename": "zelda_frames.h5", "size": len(CONTENT), "blobId": blob}
    hub.listing = json.dumps({"id": REPO, "sha": COMMIT, "siblings": [sibling]}).encode()
    assert main(["download", "datasets"]) == 0
    hub.files["zelda_frames.h5"] = CONTENT[:-1] + b"!"
    assert main(["download", "datasets", "--out", "other"]) != 0
    assert "wrong checksum" in capsys.readouterr().err
    assert [path.name for path in Path("other").iterdir()] == [".cache"]


def test_a_broken_connection_is_taken_up_again(hub):
    hub.break_after = [1_500_000, 0, 700_000]
    assert main(["download", "datasets"]) == 0
    assert Path("data/zelda_frames.h5").read_bytes() == CONTENT
    assert hub.ranges[0] == 0
    assert sorted(hub.ranges) == hub.ranges  # it never began anew
    assert len(hub.ranges) == 4


def test_a_network_that_stays_away_keeps_the_part(hub, capsys):
    hub.break_after = [1_500_000] + [0] * 40
    assert main(["download", "datasets"]) != 0
    error = capsys.readouterr().err
    assert "could not be read from 127.0.0.1" in error
    assert "it goes on where it was" in error
    assert error.count("\n") == 1
    (part,) = parts()
    assert part.stat().st_size > 0
    assert CONTENT.startswith(part.read_bytes())
    assert not Path("data/zelda_frames.h5").exists()
    hub.break_after, hub.ranges = [], []
    size = part.stat().st_size
    assert main(["download", "datasets"]) == 0
    assert hub.ranges == [size]
    assert Path("data/zelda_frames.h5").read_bytes() == CONTENT


@pytest.mark.parametrize("mode", ["no ranges", "endless", "busy"])
def test_a_server_that_does_as_it_likes(hub, mode):
    hub.mode, hub.break_after = mode, [1_200_000, 2_300_000]
    assert main(["download", "datasets"]) == 0
    assert Path("data/zelda_frames.h5").read_bytes() == CONTENT
    assert parts() == []


def test_the_login_goes_to_the_hub_alone(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.mode, hub.break_after = "redirect", [1_000_000]
    assert main(["download", "datasets"]) == 0
    assert Path("data/zelda_frames.h5").read_bytes() == CONTENT
    assert hub.tokens == ["Bearer hf_secret", None] * 2
    assert hub.ranges[1] > 0


@pytest.mark.parametrize("status", [401, 403, 404, 416, 500])
def test_an_answer_that_is_no_file(hub, capsys, status):
    hub.mode = status
    assert main(["download", "datasets"]) != 0
    assert capsys.readouterr().err.count("\n") == 1
    assert [path for path in Path("data").glob("*") if path.name != ".cache"] == []


@pytest.mark.parametrize(
    "listing",
    [
        b"", b"<html>log in to the hotel's network</html>", b"[]", b"null", b"{}",
        b'{"id": "a/b", "siblings": 3}',
        b'{"id": "a/b", "siblings": [{"rfilename": "x.h5"}]}',
        b'{"id": "a/b", "siblings": [{"rfilename": "x.h5", "size": -1}]}',
        b'{"id": "a/b", "siblings": [{"rfilename": "x.h5", "size": "9"}]}',
        b'{"id": "a/b", "siblings": [{}]}',
        b'{"id": "a/b", "siblings": [{"rfilename": "x.h5", "size": 9, "blobId": "../../x"}]}',
        b'{"id": "a/b", "sha": "../..", "siblings": [{"rfilename": "x.h5", "size": 9}]}',
    ],
)  # fmt: skip
def test_a_listing_that_is_none(hub, capsys, listing):
    hub.listing = listing
    assert main(["download", "datasets"]) != 0
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("data").exists()


@pytest.mark.parametrize(
    "name", ["../x.h5", "/tmp/x.h5", "C:/x.h5", "a/../../x.h5", "x\0.h5", "nul.h5", "\ud800.h5"], ids=ascii
)
def test_hostile_names_of_a_hub(hub, tmp_path, capsys, name):
    sibling = {"rfilename": name, "size": 9, "lfs": {"sha256": "0" * 64, "size": 9, "pointerSize": 1}}
    hub.listing = json.dumps({"id": REPO, "sha": COMMIT, "siblings": [sibling]}).encode()
    assert main(["download", "datasets"]) != 0
    assert "refused the file name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["download", "worlds", "--repo", REPO, "--source", str(tmp_path)]) != 0


def test_a_repository_that_is_not_there(hub, capsys):
    hub.listing_status = 404
    assert main(["download", "datasets"]) != 0
    assert "check the name, or log in with 'hf auth login'" in capsys.readouterr().err
    assert main(["download", "datasets", "--repo", "../../etc"]) == 2
    assert "write --repo OWNER/NAME" in capsys.readouterr().err


def test_nobody_answers(hub, capsys, monkeypatch):
    monkeypatch.setattr(hub_source, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        started = time.monotonic()
        assert main(["download", "datasets"]) != 0  # takes the connection, says nothing
        assert time.monotonic() - started < 60
    assert main(["download", "datasets"]) != 0  # refuses the connection
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("check the network" in line and "--source FOLDER" in line for line in lines)
    assert list(Path().iterdir()) == []


def test_the_hub_library_may_be_offline(hub, capsys, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main(["download", "datasets"]) != 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--source FOLDER" in error
