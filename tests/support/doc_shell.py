"""Runs commands of the documentation in this process, with somebody who looks at what opens and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import runpy
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pygame
import pytest
from browser_play import page_of
from doc_tables import shortened
from fake_machine import FakeMachine
from paths import ROOT

from tinyworlds.commands import quickstart
from tinyworlds.commands.cli import main
from tinyworlds.fit import course, pipeline
from tinyworlds.fit import run as fit_run
from tinyworlds.play.browser import view as browser_view
from tinyworlds.play.window.view import Window

FRAMES = 3  # that somebody looks at before leaving
PATIENCE_S = 300.0


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code.
        said: what it printed.
        seen: what opened and showed something: "window", "page" or "files".
    """

    code: int
    said: str
    seen: list[str]


class Shell:
    """Runs commands in the current folder, made short by the tables of `doc_tables`.

    A window is closed after some frames, a page is left with Esc and a server of files ended with Ctrl-C: the
    program has to end by itself then. Stages of a training, otherwise processes of their own, run in this
    one, which saves an import of torch each. Plans rest on a machine that is measured in no time, and leave
    none for choosing how codes are drawn, which takes a minute.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen: list[str] = []
        self._visitors: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        monkeypatch.setenv("DISPLAY", ":nowhere")  # SDL's dummy driver asks none
        monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(browser_view, "LEFT_S", 0.5)
        monkeypatch.setattr(webbrowser, "open", self._open_page)
        monkeypatch.setattr(Window, "show", self._looked_at(Window.show))
        monkeypatch.setattr(pipeline, "run_child", _stage)
        monkeypatch.setattr(course, "measuring", FakeMachine().measuring)
        monkeypatch.setattr(course, "seconds_after", lambda request: 0.0)
        monkeypatch.setattr(quickstart, "measuring", FakeMachine().measuring)

    def run(self, command: str) -> Ended:
        """Run one command to its end."""
        self._seen.clear()
        words, printed = shlex.split(shortened(command)), io.StringIO()
        if words[:3] == ["python", "-m", "http.server"]:
            return _serve(words)
        watch = threading.Timer(PATIENCE_S, _press_ctrl_c)
        watch.start()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                code = _call(words)
        finally:
            watch.cancel()
        while self._visitors:
            self._visitors.pop().join()
        if self._failures:
            raise self._failures.pop()
        return Ended(code, printed.getvalue(), [*self._seen])

    def _looked_at(self, show: Callable[..., None]) -> Callable[..., None]:
        """What shows frames in a window; the player closes it after some."""
        counts: dict[Window, int] = {}

        def shown(window: Window, frame: Any) -> None:
            show(window, frame)
            counts[window] = counts.get(window, 0) + 1
            if counts[window] == FRAMES:
                self._seen.append("window")
                pygame.event.post(pygame.event.Event(pygame.QUIT))

        return shown

    def _open_page(self, url: str) -> bool:
        """What opens somebody's browser."""
        self._visitors.append(threading.Thread(target=self._visit, args=(url,)))
        self._visitors[-1].start()
        return True

    def _visit(self, url: str) -> None:
        try:
            asyncio.run(_play_in_page(url))
            self._seen.append("page")
        except BaseException as failure:  # for the main thread, which waits for a player
            self._failures.append(failure)
            _press_ctrl_c()


async def _play_in_page(url: str) -> None:
    async with page_of(SimpleNamespace(url=url)) as page:
        for _ in range(FRAMES):
            await page.frame()
        await page.key("esc")
        while (await page.told("state"))["state"] != "ended":
            pass


def _press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _call(words: list[str]) -> int:
    program, *rest = words
    if program == "tinyworlds":
        return main(rest)
    assert program == "python", f"no way to run {program} here"
    is_module = rest[0] == "-m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", rest[is_module:])
        try:
            if is_module:
                patch.delitem(sys.modules, rest[1], raising=False)  # a second import, as in a new process
                runpy.run_module(rest[1], run_name="__main__")
            else:
                runpy.run_path(str(ROOT / rest[0]), run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def _stage(command: list[str]) -> int:
    """One stage of a training, which this process has locked for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_run, "end_with_parent", os.getpid)
        return main(shlex.split(shortened(shlex.join(["tinyworlds", *command[3:]])))[1:])


def _serve(words: list[str]) -> Ended:
    """A server of files, asked for its first page."""
    command = [sys.executable, "-u", *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            first = server.stdout.readline()  # Serving HTTP on 0.0.0.0 port 8000 ...
            port = first.partition(" port ")[2].split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                seen = ["files"] if b"<html" in answer.read() else []
        finally:
            server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
        return Ended(server.wait(20), first + rest, seen)
