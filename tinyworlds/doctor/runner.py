"""Looks at topics, several at a time, each in a process of its own and for a limited time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinyworlds.doctor.report import Finding, TopicReport, failure

_TREE: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
"""Arguments of a process that can be ended together with those that it started."""

_LONGEST_LINE = 2**22  # bytes; a file's own names may be quoted in a finding


@dataclass(frozen=True)
class Topic:
    """What one check looks at.

    Attributes:
        name: one word, which the report shows.
        module: where the check is.
        function: a generator of findings in it.
        arguments: of the function; plain text.
    """

    name: str
    module: str
    function: str
    arguments: dict[str, str] = field(default_factory=dict)


def run(
    topics: Sequence[Topic], timeout_s: float, show: Callable[[TopicReport], None] = lambda report: None
) -> list[TopicReport]:
    """Look at all topics and return what was found, in their order.

    Args:
        topics: what to look at.
        timeout_s: seconds for each topic; what it found until then is kept.
        show: called with each report as soon as those before it are there.
    """
    return asyncio.run(_run(topics, timeout_s, show))


async def _run(
    topics: Sequence[Topic], timeout_s: float, show: Callable[[TopicReport], None]
) -> list[TopicReport]:
    slots = asyncio.Semaphore(min(8, max(2, os.cpu_count() or 1)))
    tasks = [asyncio.create_task(_look(topic, timeout_s, slots)) for topic in topics]
    reports = []
    try:
        for task in tasks:
            reports.append(await task)
            show(reports[-1])
    finally:  # Ctrl-C: end the processes that are still at work
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return reports


async def _look(topic: Topic, timeout_s: float, slots: asyncio.Semaphore) -> TopicReport:
    words = json.dumps([topic.module, topic.function, topic.arguments])
    findings: list[Finding] = []
    async with slots:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tinyworlds.doctor.child", words, env=_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            limit=_LONGEST_LINE, **_TREE,
        )  # fmt: skip
        try:
            said = await asyncio.wait_for(_listen(process, findings), timeout_s)
        except asyncio.TimeoutError:  # a class of its own before Python 3.11
            findings.append(_too_slow(timeout_s))
        else:
            if process.returncode != 0:
                findings.append(_crashed(process.returncode, said))
        finally:
            await _end(process)
    return TopicReport(topic.name, tuple(findings))


async def _listen(process: asyncio.subprocess.Process, findings: list[Finding]) -> str:
    """Collect findings until the process ends; return the last line of what else it said."""
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    async for line in process.stdout:
        if line.endswith(b"\n"):  # else the process died while writing
            findings.append(Finding(**json.loads(line)))
    said = (await errors).decode(errors="replace").strip().splitlines()
    await process.wait()
    return said[-1] if said else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and those that it started, if it is still at work."""
    if process.returncode is not None:
        return
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False, timeout=10
        )
    else:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _environment() -> dict[str, str]:
    """The environment in which a child finds the same packages as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _too_slow(timeout_s: float) -> Finding:
    return failure(
        f"stopped after {timeout_s:g} s without an end; the lines above are what was seen until then",
        "look at what hangs (a network drive, a driver), or allow more time with --timeout",
    )


def _crashed(code: int | None, said: str) -> Finding:
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    last = f"; its last words: {said[:200]}" if said else ""
    return failure(
        f"the check crashed its process ({how}){last}",
        "a library it uses is broken here: reinstall it, starting with the one named",
    )
