"""A report as it was written down: ``metrics.json`` read back, by whoever measures nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tinyworlds.errors import DataError, TinyWorldsError
from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest
from tinyworlds.evaluation.report import Report
from tinyworlds.evaluation.rows import Bar
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.system.documents import read_json
from tinyworlds.system.text import visible


def read_report(file: Path) -> tuple[Report, dict[str, Bar]]:
    """Return the report in a ``metrics.json``, and the marks that it was held to.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is none of ours, or damaged.
    """
    try:
        content = read_json(file)
        bars = {
            str(key): Bar(*(bar.get(name) for name in ("at_least", "interval_above", "at_most")))
            for key, bar in content.get("bars", {}).items()
        }
        return _report(content), bars
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, TinyWorldsError):
            raise
        raise DataError(f"{file} is damaged ({error!r}); measure again: tinyworlds evaluate") from None


def _report(content: dict[str, Any]) -> Report:
    play = content.get("play")
    return Report(
        figures={str(key): _estimate(one) for key, one in content["figures"].items()},
        headline=str(content["headline"]),
        num_clips=int(content["num_clips"]),
        num_episodes=int(content["num_episodes"]),
        repeat_psnr=_numbers(content["repeat_psnr"]),
        horizon_psnr={str(key): _numbers(each) for key, each in content["horizon_psnr"].items()},
        horizon_gain={str(key): [*map(_estimate, each)] for key, each in content["horizon_gain"].items()},
        game=visible(str(content.get("game", ""))),
        data=visible(str(content.get("data", ""))),
        settings=dict(content.get("settings", {})),
        seconds=_number(content.get("seconds", 0)),
        action_shares=_numbers(content.get("action_shares", [])),
        confusion=[[int(count) for count in row] for row in content.get("confusion", [])],
        true_action_names=[visible(str(name)) for name in content.get("true_action_names", [])],
        pressed_as={visible(str(name)): _whole(one) for name, one in content.get("pressed_as", {}).items()},
        play=None if play is None else _play(play),
    )


def _play(content: dict[str, Any]) -> PlayTest:
    return PlayTest(
        bands=_bands(content["bands"]),
        keys=tuple(map(_key, content["keys"])),
        read_back=tuple(map(_estimate, content["read_back"])),
        macro_f1=tuple(_numbers(content["macro_f1"])),
        reader=str(content["reader"]),
        num_starts=int(content["num_starts"]),
        drift_bands=_bands(content["drift_bands"]),
        drift=tuple(_numbers(content["drift"])),
        drift_floor=_number(content["drift_floor"]),
        real=bool(content.get("real", False)),
    )


def _key(content: dict[str, Any]) -> KeyResult:
    return KeyResult(
        name=visible(str(content["name"])),
        sent=_whole(content["sent"]),
        read_back=tuple(_numbers(content["read_back"])),
        change=tuple(_numbers(content["change"])),
        change_game=tuple(_numbers(content["change_game"])),
        read_game=_number(content["read_game"]),
        life=tuple(_numbers(content["life"])),
        read_real=tuple(_numbers(content.get("read_real", []))),
        pressed=tuple(visible(str(key)) for key in content.get("pressed", [])),
    )


def _bands(content: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(first), int(last)) for first, last in content)


def _estimate(content: dict[str, Any]) -> Estimate:
    value, low, high = (_number(content[name]) for name in ("value", "low", "high"))
    return Estimate(value, low, high, int(content["count"]))


def _numbers(content: list[float | None]) -> list[float]:
    return [_number(each) for each in content]


def _number(content: float | None) -> float:
    return math.nan if content is None else float(content)  # JSON holds no NaN


def _whole(content: int | None) -> int | None:
    return None if content is None else int(content)
