"""The choice of how codes are drawn, from a run to the file that is played."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import make_run

from tinyworlds.api import World
from tinyworlds.checkpoints.world_search import locate_run
from tinyworlds.commands.cli import main
from tinyworlds.errors import TinyWorldsError
from tinyworlds.evaluation.play_test import choosing
from tinyworlds.evaluation.tuning import in_time, tune_run
from tinyworlds.export.sampling_file import store_sampling, stored_sampling
from tinyworlds.models.maskgit import AS_PLAYED, Sampling
from tinyworlds.world.file import read_header

OTHER = Sampling(num_steps=3, temperature=0.5, top_p=0.8, schedule="cosine")


@pytest.fixture
def run(tmp_path: Path, make_h5: Callable[..., Path]) -> Path:
    make_run(tmp_path / "run", make_h5("enough.h5", num_episodes=30), actions="labels")
    return tmp_path / "run"


def file_of(run: Path) -> Path:
    return run / "dynamics" / "version_0" / "sampling.json"


def test_what_was_chosen_for_a_run_is_how_it_is_loaded_and_exported(run: Path, tmp_path: Path) -> None:
    assert World.load(run).sampling == AS_PLAYED
    store_sampling(locate_run(run)["dynamics"], OTHER, {"by": "hand"})
    assert World.load(run).sampling == OTHER
    assert main(["export", str(run), str(tmp_path / "a.world")]) == 0
    assert World.load(tmp_path / "a.world").sampling == OTHER
    assert main(["export", str(run), str(tmp_path / "b.world"), "--temperature", "0.9"]) == 0
    assert World.load(tmp_path / "b.world").sampling.temperature == 0.9


def test_other_dynamics_are_not_drawn_as_those_before_them(run: Path, tmp_path: Path) -> None:
    store_sampling(locate_run(run)["dynamics"], OTHER, {})
    make_run(run, tmp_path / "enough.h5", actions="labels", seed=1)
    assert stored_sampling(locate_run(run)["dynamics"]) is None
    assert World.load(run).sampling == AS_PLAYED


@pytest.mark.parametrize(
    "damage",
    [
        {
            "sampling": {
                "num_steps": 10**9,
                "temperature": 0.0,
                "top_k": None,
                "top_p": None,
                "schedule": "cosine",
            }
        },
        {"sampling": {"schedule": "__import__('os')"}},
        {"sampling": {"num_steps": 4, "shell": "true"}},
        {"sampling": [1, 2]},
        {"dynamics": None},
    ],
)
def test_a_note_that_makes_no_sense_is_no_note(run: Path, damage: dict[str, object]) -> None:
    store_sampling(locate_run(run)["dynamics"], OTHER, {})
    file_of(run).write_text(json.dumps({**json.loads(file_of(run).read_text()), **damage}))
    assert World.load(run).sampling == AS_PLAYED
    file_of(run).write_text("[" * 100_000)
    assert World.load(run).sampling == AS_PLAYED


@pytest.mark.slow
def test_a_run_is_tuned_once_and_exported_as_it_was_tuned(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "CANDIDATES", (AS_PLAYED, OTHER, Sampling(num_steps=1)))
    told = tune_run(run)
    assert len(told) == 1 + 1 + 2  # a heading, a table of two finalists
    best = stored_sampling(locate_run(run)["dynamics"])
    assert best is not None
    assert best.num_steps == AS_PLAYED.num_steps  # which cost time at play, and are left alone
    assert told[2].split()[:2] == [best.schedule, f"{best.temperature:g}"]
    assert tune_run(run) == ["how codes are drawn: chosen already"]
    assert main(["export", str(run), str(tmp_path / "a.world")]) == 0
    assert World.load(tmp_path / "a.world").sampling == best


@pytest.mark.slow
def test_export_tunes_when_asked_and_says_so_in_the_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "CANDIDATES", (AS_PLAYED, OTHER))
    out = tmp_path / "a.world"
    assert main(["export", str(run), str(out), "--tune"]) == 0
    assert "the first is taken" in capsys.readouterr().out
    noted = read_header(out)["provenance"]["sampling"]
    assert 0 <= noted["score"] <= 1
    assert World.load(out).sampling == stored_sampling(locate_run(run)["dynamics"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["RUN", "OUT", "--tune", "--temperature", "1"], "--tune chooses what --temperature would set"),
        (["OUT", "--tokenizer", "A", "--dynamics", "B", "--tune"], "name a RUN, or gameplay with --data"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(
    run: Path, tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.world"
    assert main(["export", *({"RUN": str(run), "OUT": str(out)}.get(word, word) for word in words)]) != 0
    assert told in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_run_of_few_frames_keeps_the_usual_way_and_says_why(tmp_path: Path, tiny_h5: Path) -> None:
    make_run(tmp_path / "short", tiny_h5, actions="labels")
    (line,) = tune_run(tmp_path / "short")
    assert "not chosen by a play test" in line
    assert not file_of(tmp_path / "short").exists()


def test_too_few_minutes_leave_the_usual_way() -> None:
    seen: list[float] = []
    clock = iter([0.0, 5.0, 30.0, 60.0, 80.0])
    told = in_time(seen.append, 100.0, lambda: next(clock))
    for share in (0.01, 0.2, 0.45):  # the beginning would come to 500 seconds, which says little
        told(share)
    with pytest.raises(TinyWorldsError, match=r"too few; .*--tune"):
        told(0.5)  # 160 in all
    assert seen == [0.01, 0.2, 0.45, 0.5]
    assert in_time(seen.append, None) == seen.append
