"""Looks at topics, several at a time, in processes of their own and each for a limited time.

Topics that need the same packages share a process, one after the other: loading PyTorch for each would take
longer than all that is looked at. Where one of them crashes or hangs, the others go on in a new process.
"""

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

from tinyworlds.doctor.child import END
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
        group: topics of one name here share a process; without one it has its own.
    """

    name: str
    module: str
    function: str
    arguments: dict[str, str] = field(default_factory=dict)
    group: str = ""


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
    waiting: dict[str, asyncio.Future[TopicReport]] = {
        topic.name: asyncio.get_running_loop().create_future() for topic in topics
    }
    tasks = [asyncio.create_task(_look(group, timeout_s, slots, waiting)) for group in _groups(topics)]
    reports = []
    try:
        for topic in topics:
            reports.append(await waiting[topic.name])
            show(reports[-1])
        await asyncio.gather(*tasks)  # let the processes end by themselves
    finally:  # Ctrl-C: end the processes that are still at work
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return reports


def _groups(topics: Sequence[Topic]) -> list[list[Topic]]:
    """The topics by process."""
    groups: dict[str, list[Topic]] = {}
    for topic in topics:
        groups.setdefault(topic.group or f"alone: {topic.name}", []).append(topic)
    return list(groups.values())


async def _look(
    topics: list[Topic],
    timeout_s: float,
    slots: asyncio.Semaphore,
    waiting: dict[str, asyncio.Future[TopicReport]],
) -> None:
    """Look at topics one after the other; behind one that ends its process, in a new one."""
    left = topics
    async with slots:
        try:
            while left:
                left = left[await _in_one_process(left, timeout_s, waiting) :]
        except Exception as error:  # no process can be started: whoever waits is told
            for topic in left:
                if not waiting[topic.name].done():
                    waiting[topic.name].set_exception(error)


async def _in_one_process(
    topics: list[Topic], timeout_s: float, waiting: dict[str, asyncio.Future[TopicReport]]
) -> int:
    """Look at topics until one ends the process; return how many were looked at."""
    words = json.dumps([[topic.module, topic.function, topic.arguments] for topic in topics])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tinyworlds.doctor.child", words, env=_environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        limit=_LONGEST_LINE, **_TREE,
    )  # fmt: skip
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        for number, topic in enumerate(topics, 1):
            findings: list[Finding] = []
            try:
                whole = await asyncio.wait_for(_listen(process, findings, errors), timeout_s)
            except asyncio.TimeoutError:  # a class of its own before Python 3.11
                findings.append(_too_slow(timeout_s))
                whole = False
            waiting[topic.name].set_result(TopicReport(topic.name, tuple(findings)))
            if not whole:
                return number
        return len(topics)
    finally:
        await _end(process)
        errors.cancel()


async def _listen(
    process: asyncio.subprocess.Process, findings: list[Finding], errors: asyncio.Task[bytes]
) -> bool:
    """Collect the findings of a topic; return whether it came to its end, else say what ended it."""
    assert process.stdout is not None
    async for line in process.stdout:
        if not line.endswith(b"\n"):  # the process died while writing
            break
        if (said := json.loads(line)) == END:
            return True
        findings.append(Finding(**said))
    words = (await errors).decode(errors="replace").strip().splitlines()
    await process.wait()
    findings.append(_crashed(process.returncode, words[-1] if words else ""))
    return False


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
