"""The quickstart, shortened: the real engine, all steps, few updates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyworlds.commands.quickstart import quickstart
from tinyworlds.errors import ConfigError

SHORT = [
    "video_tokenizer.trainer.max_steps=6",
    "latent_actions.trainer.max_steps=6",
    "dynamics.trainer.max_steps=6",
    "data.batch_size=4",
    "video_tokenizer.model.embed_dim=32",
    "dynamics.model.embed_dim=32",
    "dynamics.model.num_blocks=1",
]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyworlds", "quickstart", "--no-play", *words, "--settings", *SHORT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)


def test_unknown_game_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'doom'"):
        quickstart("dom")


@pytest.mark.slow
@pytest.mark.parametrize(("game", "actions"), [("doom", "labels"), ("pong", "latent")])
def test_quickstart_leaves_a_playable_world_and_a_report(game: str, actions: str, tmp_path: Path) -> None:
    pytest.importorskip({"doom": "vizdoom", "pong": "ale_py"}[game])
    done = run(tmp_path, "--game", game, "--actions", actions, "--frames", "1800")
    assert done.returncode == 0, done.stderr[-2000:]

    report = tmp_path / "lightning_logs" / game / "evaluation"
    pictures = ("open_loop.png", "action_sheet.png", "tokenizer.png", "keys.png", "played.png")
    for name in ("report.md", "metrics.json", *pictures):
        assert (report / name).stat().st_size > 0
    figures = json.loads((report / "metrics.json").read_text())["figures"]
    assert {"tokenizer_psnr", "delta_t_psnr_pressed", "read_back_33_64", "life_least"} <= set(figures)
    assert ("action_nmi" in figures) == (actions == "latent")
    assert "What a player meets" in done.stdout
    assert "below the mark" in done.stdout  # six updates cannot reach the figures, and the command says so

    from tinyworlds import World

    world = World.load(tmp_path / f"{game}.world", "cpu")
    frames = [world.reset(seed=0), *(world.step(action) for action in range(world.num_actions))]
    assert {(frame.shape, frame.dtype) for frame in frames} == {((64, 64, 3), np.dtype(np.uint8))}
    assert world.info.metrics["tokenizer_psnr"] == pytest.approx(figures["tokenizer_psnr"]["value"], abs=1e-3)


@pytest.mark.slow
def test_quickstart_does_nothing_twice(tmp_path: Path) -> None:
    pytest.importorskip("vizdoom")
    first = run(tmp_path, "--frames", "1800")
    assert first.returncode == 0, first.stderr[-2000:]
    recorded = (tmp_path / "data" / "doom_frames.h5").stat().st_mtime_ns
    second = run(tmp_path)
    assert second.returncode == 0, second.stderr[-2000:]
    assert second.stdout.count("done already") == 3
    assert (tmp_path / "data" / "doom_frames.h5").stat().st_mtime_ns == recorded
