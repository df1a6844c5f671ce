"""The page's server, asked over real sockets: files, addresses, tokens, and pages that misbehave."""

import asyncio
import json
import random
import re
import socket
import time
from contextlib import AsyncExitStack

import aiohttp
import pytest
from browser_play import Playing, page_of, wait_for

from tinyworlds.errors import ConfigError
from tinyworlds.play.browser import view as view_module
from tinyworlds.play.browser.messages import read_message
from tinyworlds.play.browser.page_socket import MAX_MESSAGE_BYTES, MAX_UNSEEN
from tinyworlds.play.browser.server import FILES, FOLDER, MAX_PAGES
from tinyworlds.play.browser.view import BrowserView


@pytest.fixture
def playing():
    playing = Playing()
    yield playing
    playing.stop()


def fetch(url, **headers):
    """Status, headers and text of one request; the path is sent as it is."""

    async def ask():
        async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()

    return asyncio.run(ask())


def raw(port, path, host="127.0.0.1"):
    """The answer to a request line that no client library has tidied up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode(errors="surrogateescape"))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def refused(view, **headers):
    """Whether a websocket is refused before it is opened."""

    async def connect():
        async with page_of(view, **headers):
            return None

    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        asyncio.run(connect())
    return error.value.status


def test_every_file_is_listed_and_served(playing):
    assert {path.name for path in FOLDER.iterdir()} == {*FILES}
    for name in ("", *FILES):
        status, headers, text = fetch(playing.view.url + name)
        assert (status, text) == (200, (FOLDER / (name or "index.html")).read_text(encoding="utf-8"))
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert "Python" not in headers["Server"]


def test_the_page_needs_nothing_from_elsewhere():
    for name in FILES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert not re.search(r"[\"'(](https?:)?//", text.replace('xmlns="http://', "")), name
        assert {*re.findall(r'(?:src|href|from) ?=? ?"(?:\./)?([^"]+)"', text)} <= {*FILES}
        assert not re.search(r"style=|onclick=|innerHTML|eval\(", text), name  # the policy forbids them


@pytest.mark.parametrize(
    "path",
    [
        "/../view.py", "/page/../view.py", "/%2e%2e/view.py", "/..%2fview.py", "/..\\view.py", "//etc/passwd",
        "/main.js/../../view.py", "/main.js%00", "/page/main.js", "/view.py", "/%252e%252e/view.py",
        "/play/..", "/main.js/", "http://127.0.0.1/../view.py", "/./main.js%2f..%2f..%2fview.py",
        "/C:\\win.ini", "*",
    ],
)  # fmt: skip
def test_no_path_reaches_the_file_system(playing, path):
    answer = raw(playing.port, path)
    assert answer.split()[1] in (b"400", b"404")
    assert len(answer.partition(b"\r\n\r\n")[2]) < 200


@pytest.mark.parametrize("path", ["/" + "a" * 20_000, "/ x", "/\x01"])
def test_what_is_no_http_is_answered_and_not_told_the_player(playing, path, caplog):
    assert b" 400 " in raw(playing.port, path).partition(b"\r\n")[0]
    assert caplog.records == []


def test_other_hosts_are_refused(playing):
    for host in ("evil.example", f"evil.example:{playing.port}", "192.168.1.5", ""):
        answer = raw(playing.port, "/", host)
        assert answer.split()[1] == b"403", host
        assert b"canvas" not in answer
        assert refused(playing.view, Host=host or "x", origin=f"http://{host or 'x'}") == 403


def test_only_our_own_page_may_open_a_socket(playing):
    for origin in (
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1:1",
        f"http://localhost:{playing.port}",
    ):
        assert refused(playing.view, origin=origin) == 403
    assert fetch(playing.view.url + "play", Origin=playing.view.url.rstrip("/"))[0] == 400  # no upgrade


def test_an_open_server_asks_for_the_token():
    playing = Playing(host="0.0.0.0")
    try:
        token = playing.view.url.rstrip("/").rpartition("/")[2]
        assert fetch(playing.view.url)[0] == 200  # the address that others are told works here, too
        for path in ("/", "/main.js", "/play", "/wrong-token", "/wrong-token/", f"//{token}"):
            assert raw(playing.port, path).split()[1] == b"403", path
        assert raw(playing.port, "/\udcff/").split()[1] in (b"400", b"403")  # no UTF-8
        assert raw(playing.port, f"/{token}/main.js").split()[1] == b"200"
        without_slash = raw(playing.port, f"/{token}")  # as people copy it
        assert without_slash.split()[1] == b"302"
        assert f"\r\nLocation: ./{token}/\r\n".encode() in without_slash

        async def see():
            playing.view.url = f"http://127.0.0.1:{playing.port}/{token}/"  # whatever this machine is called
            async with page_of(playing.view) as page:
                return await page.frame()

        assert asyncio.run(see())["serial"] > 0
        playing.view.url = f"http://127.0.0.1:{playing.port}/"
        assert refused(playing.view) == 403
    finally:
        playing.stop()


def test_a_free_port_is_taken_where_the_usual_one_is_in_use(playing, monkeypatch):
    monkeypatch.setattr(view_module, "PORT", playing.port)
    other = Playing(port=None)
    assert other.port != playing.port
    other.stop()
    other.view.close()  # twice does no harm


def test_a_port_that_was_asked_for_is_not_replaced(playing):
    taken = rf"port {playing.port} of 127\.0\.0\.1 is taken by another program: give another --port"
    with pytest.raises(ConfigError, match=taken):
        BrowserView("x", [], ["a"], 1, 15, port=playing.port)
    with pytest.raises(ConfigError, match="there is no port 99999: give --port a number from 1 to 65535"):
        BrowserView("x", [], ["a"], 1, 15, port=99999)


def test_behind_a_proxy():
    name = "abc-8765.proxy.example"
    playing = Playing(allowed_hosts=[name])
    try:
        token = playing.view.url.rstrip("/").rpartition("/")[2]
        assert raw(playing.port, f"/{token}/", name).split()[1] == b"200"
        assert raw(playing.port, "/", name).split()[1] == b"403"  # the name alone is not enough
        answer = raw(playing.port, f"/{token}/", "other.proxy.example")
        assert token.encode() not in raw(playing.port, "/", name)
        assert answer.split()[1] == b"403"
        assert b"--allow-host" in answer

        async def see(**headers):
            async with page_of(playing.view, **headers) as page:
                return await page.frame()

        assert asyncio.run(see(origin=f"https://{name}"))["serial"] > 0
        assert asyncio.run(see(origin=f"https://{name}", Host=name))["serial"] > 0
        assert refused(playing.view, origin="https://other.proxy.example") == 403
    finally:
        playing.stop()


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1: .*give --host an address of this machine"):
        BrowserView("x", [], ["a"], 1, 15, host="192.0.2.1")


def ended_by(playing, *messages):
    """Hold a key, say something, and return how the server ended the connection."""

    async def misbehave():
        async with page_of(playing.view) as page:
            await page.key("right")
            while (await page.frame())["action"] != 2:
                pass
            for message in messages:
                await (page.socket.send_bytes if isinstance(message, bytes) else page.socket.send_str)(
                    message
                )
            return await page.end()

    code = asyncio.run(misbehave())
    playing.settles_on(0)  # its key is up
    return code


def test_large_messages_end_the_connection(playing):
    assert ended_by(playing, "x" * (MAX_MESSAGE_BYTES + 1)) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


def test_binary_messages_end_the_connection(playing):
    assert ended_by(playing, b"x") == aiohttp.WSCloseCode.UNSUPPORTED_DATA


def test_too_many_messages_end_the_connection(playing):
    seen = json.dumps({"type": "seen"})  # unasked for, it counts like any other
    assert ended_by(playing, *[seen] * 600) == aiohttp.WSCloseCode.POLICY_VIOLATION


def test_so_many_pages_and_no_more(playing):
    async def crowd():
        async with AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(page_of(playing.view)) for _ in range(MAX_PAGES)]
            for page in pages:
                await page.frame()
            async with page_of(playing.view) as late:
                assert await late.end() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
            await pages[0].socket.close()
            while playing.view.num_pages == MAX_PAGES:
                await asyncio.sleep(0.01)
            async with page_of(playing.view) as later:
                assert (await later.frame())["serial"] > 0

    asyncio.run(crowd())
    wait_for(lambda: playing.view.num_pages == 0, "all pages to leave")


def test_a_slow_page_passes_frames_over(playing):
    async def be_slow():
        async with page_of(playing.view) as page:
            first = [(await page.frame(answer=False))["serial"] for _ in range(MAX_UNSEEN)]
            with pytest.raises(asyncio.TimeoutError):
                await page.socket.receive(timeout=0.5)
            await page.say(type="seen")
            return first, (await page.frame(answer=False))["serial"]

    first, later = asyncio.run(be_slow())
    assert first == [*range(first[0], first[0] + MAX_UNSEEN)]
    assert later > first[-1] + 10  # the newest, not the oldest that waited


def test_garbage_changes_nothing(playing):
    chance = random.Random(11)
    valid = '{"type": "key", "key": "left", "down": true, "repeat": false, "id": 1}'

    def garbage():
        if chance.random() < 0.5:
            return "".join(chr(chance.randrange(1, 0x2FF)) for _ in range(chance.randrange(200)))
        start = chance.randrange(len(valid))
        text = valid[:start] + chance.choice('{}[]"\\x') + valid[start + chance.randrange(3) :]
        return garbage() if read_message(text) else text

    async def pour():
        for _ in range(20):
            async with page_of(playing.view) as page:
                for _ in range(150):
                    await page.socket.send_str(garbage())
                await page.frame()
                assert not page.socket.closed

    asyncio.run(pour())
    assert {*playing.taken} == {0}
    assert playing.session.key_map == {**playing.session.key_map, "left": 1, "right": 2, "space": 3}
    assert not playing.session.paused


def test_the_end_is_told():
    playing = Playing()

    async def watch():
        async with page_of(playing.view) as page:
            await page.frame()
            ended = asyncio.create_task(page.end())
            await asyncio.to_thread(playing.stop)
            return await ended

    began = time.monotonic()
    assert asyncio.run(watch()) == aiohttp.WSCloseCode.GOING_AWAY
    assert time.monotonic() - began < 5
    with pytest.raises(OSError):  # noqa: PT011 (any refusal will do)
        socket.create_connection(("127.0.0.1", playing.port), timeout=1)


def test_what_is_not_there_is_told_with_the_way_to_the_game(playing):
    text = fetch(playing.view.url + "reports/doom.html", Accept="*/*")[2]
    assert "/reports/doom.html" in text
    assert f"The game is at {playing.view.url}" in text
    status, headers, page = fetch(playing.view.url + "a/<b>", Accept="text/html,*/*")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "/a/&lt;b&gt;" in page
    assert 'href="../"' in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "/" + "x" * 200 not in fetch(playing.view.url + "x" * 300)[2]  # not all of it


def test_the_token_is_never_told_to_who_does_not_have_it():
    playing = Playing(host="0.0.0.0", token="secret-part-1234")
    try:
        here = f"http://127.0.0.1:{playing.port}"
        for path in ("/", "/wrong/", "/wrong/main.js", "/secret-part-123/", "/recordings/x.mp4"):
            for accept in ("*/*", "text/html"):
                status, headers, text = fetch(here + path, Accept=accept)
                assert status == 403
                assert "secret part" in text
                assert path in text
                assert "secret-part-1234" not in text + str(headers)
        text = fetch(f"{here}/secret-part-1234/nothing", Accept="*/*")[2]
        assert f"The game is at {here}/secret-part-1234/" in text
    finally:
        playing.stop()


@pytest.fixture
def recording(tmp_path):
    """A game with a recording, and its files by suffix."""
    playing = Playing(recordings=tmp_path / "recordings", token="secret-part-1234")

    async def record():
        async with page_of(playing.view) as page:
            assert (await page.told("recordings"))["files"] == []
            for _ in range(2):
                for _ in range(10):
                    await page.frame()
                await page.key("v")
                await page.key("v", down=False)
            return (await page.told("recordings"))["files"]

    files = asyncio.run(record())
    yield playing, {name.rpartition(".")[2]: name for name in (file["name"] for file in files)}
    playing.stop()


def test_recordings_are_served_whole_and_in_parts(recording, tmp_path):
    playing, files = recording
    assert {*files} == {"h5", "mp4", "gif"}

    async def ask(name, **headers):
        async with aiohttp.ClientSession() as client:
            answer = await client.get(f"{playing.view.url}recordings/{name}", headers=headers)
            return answer.status, answer.headers, await answer.read()

    for kind, served_as in (("mp4", "video/mp4"), ("gif", "image/gif"), ("h5", "application/octet-stream")):
        status, headers, data = asyncio.run(ask(files[kind]))
        assert (status, headers["Content-Type"]) == (200, served_as)
        assert data == (tmp_path / "recordings" / files[kind]).read_bytes()
        assert headers["X-Content-Type-Options"] == "nosniff"
    whole = asyncio.run(ask(files["mp4"]))[2]
    status, headers, part = asyncio.run(ask(files["mp4"], Range="bytes=100-199"))
    assert (status, part) == (206, whole[100:200])  # so that a video can be wound on
    assert headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert asyncio.run(ask(files["mp4"], Range=f"bytes={len(whole)}-"))[0] == 416


def test_only_recordings_of_this_program_are_served_and_only_with_the_token(recording, tmp_path):
    playing, files = recording
    folder = tmp_path / "recordings"
    (folder / "older.mp4").write_bytes(b"of another day")
    (tmp_path / "secret.txt").write_text("secret")
    token, name = "/secret-part-1234", files["mp4"]
    asked = [
        "older.mp4", "", "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", f"./{name}", f"{name}/",
        f"x/../{name}", f"{folder}/{name}", f"{name}%00", "..",
    ]  # fmt: skip
    for path in asked:
        assert raw(playing.port, f"{token}/recordings/{path}").split()[1] in (b"400", b"404"), path
    assert raw(playing.port, f"/recordings/{name}").split()[1] == b"403"
    assert raw(playing.port, f"{token}/recordings/{name}", "evil.example").split()[1] == b"403"
    assert raw(playing.port, f"{token}/recordings/{name}").split()[1] == b"200"
    (folder / name).unlink()
    assert raw(playing.port, f"{token}/recordings/{name}").split()[1] == b"404"
