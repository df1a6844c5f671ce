"""The whole program, as a person starts it: played in a page, ended there, played again, and left."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import aiohttp
import pytest
from browser_play import page_of

pytestmark = pytest.mark.slow  # the program takes seconds to begin, and waits for pages before it ends


def test_a_game_is_played_twice_and_ends_with_its_last_page(tmp_path):
    words = [sys.executable, "-m", "tinyworlds", "play", "doom", "--browser", "--port", str(free_port())]
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as program:
        lines = iter(program.stdout.readline, "")
        url = next(found[1] for line in lines if (found := re.search(r"play at (\S+)", line)))
        recorded = asyncio.run(play_twice(SimpleNamespace(url=url)))
        said = program.stdout.read()
        assert program.wait(60) == 0
    assert [name.rpartition(".")[2] for name in recorded] == ["h5", "mp4", "gif", "json"]
    assert {path.name for path in (tmp_path / "recordings").iterdir()} == {*recorded}
    assert said.count("saved recordings") == 4
    assert said.count("a page can play again") == 2


async def play_twice(view):
    """Record, quit, fetch what was recorded, play again, quit; return the names of the files."""
    async with page_of(view) as page:
        assert (await page.world())["actions"][:2] == ["do nothing", "shoot"]
        await page.key("v")
        for _ in range(5):
            await page.frame()
        await ends(page)
        await page.say(type="again")
        while (await page.told("state"))["state"] != "playing":
            pass
        assert (await page.frame())["number"] == 0
        await page.frame()
        await ends(page)
    async with page_of(view) as page:
        files = [file["name"] for file in (await page.told("recordings"))["files"]]
        async with aiohttp.ClientSession() as client:
            for name in files:
                answer = await client.get(f"{view.url}recordings/{name}", headers={"Range": "bytes=0-9"})
                assert (answer.status, len(await answer.read())) == (206, 10)
    return files


async def ends(page):
    await page.key("esc")
    await page.key("esc", down=False)
    while (await page.told("state"))["state"] != "ended":
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
