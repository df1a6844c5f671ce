"""``tinyworlds episodes``: what is written, what is said, what cannot be played."""

import csv
import json

import av
import gymnasium as gym
import numpy as np
import pytest
import torch

from tinyworlds.commands.cli import main
from tinyworlds.dreamer.human_scores import human_normalised


@pytest.fixture
def checkpoint(whole):
    return str(whole / "checkpoints/last.ckpt")


def scores_in(folder):
    return json.loads((folder / "scores.json").read_text())


def table_in(folder):
    with (folder / "scores.csv").open() as file:
        return [*csv.DictReader(file)]


def play(*words):
    return main(["episodes", *map(str, words)])


def test_every_episode_is_a_video_that_says_its_score(checkpoint, tmp_path, capsys):
    out = tmp_path / "videos"
    assert (
        main(["episodes", "--checkpoint", checkpoint, "--episodes", "3", "--output", str(out), "--gif"]) == 0
    )
    found = scores_in(out)
    assert len(found["episodes"]) == 3
    for number, each in enumerate(found["episodes"]):
        assert each["video"] == f"episode_{number:03d}_score_{each['score']:.1f}.mp4"
        with av.open(out / each["video"]) as video:
            pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert len(pictures) == each["length"] == 8
        assert pictures[0].max() > 200  # the ball is seen
        assert (out / each["video"]).with_suffix(".gif").is_file()
    played = [each["score"] for each in found["episodes"]]
    assert found["mean"] == pytest.approx(np.mean(played))
    assert found["median"] == pytest.approx(np.median(played))
    assert found["std"] == pytest.approx(np.std(played))
    assert found["random"] == pytest.approx(np.mean(found["random_scores"]))
    assert found["human_normalised"] is None
    assert found["policy"] == "sample"
    assert "catch: " in capsys.readouterr().out
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_seed_is_the_same_episodes(checkpoint, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        words = "--checkpoint", checkpoint, "--episodes", 8, "--output", tmp_path / name
        assert play(*words, "--seed", seed) == 0
    one, two, three = (scores_in(tmp_path / name) for name in ("one", "two", "three"))
    assert one["episodes"] == two["episodes"]
    assert one["random_scores"] == two["random_scores"]
    assert one["episodes"] != three["episodes"] or one["random_scores"] != three["random_scores"]


def test_at_random_without_a_trained_model(tmp_path):
    words = [
        "episodes",
        "--checkpoint",
        "none",
        "--random-agent",
        "--task",
        "catch",
        "CartPole-v1",
        "--episodes",
        "2",
    ]
    assert main([*words, "--output", str(tmp_path)]) == 0
    assert scores_in(tmp_path / "catch")["policy"] == "random"
    cart = scores_in(tmp_path / "CartPole-v1")
    assert cart["episodes"][0]["video"].startswith("episode_000_score_")  # what it draws, not what is seen
    rows = table_in(tmp_path)
    assert [row["task"] for row in rows] == ["catch", "cart_pole"]
    assert (tmp_path / "scores.png").is_file()


def test_several_checkpoints_give_a_table_and_a_curve(whole, tmp_path):
    pattern = str(whole / "checkpoints" / "*.ckpt")
    assert main(["episodes", "--checkpoint", pattern, "--episodes", "1", "--output", str(tmp_path)]) == 0
    rows = table_in(tmp_path)
    assert len(rows) == len([*(whole / "checkpoints").glob("*.ckpt")]) > 1
    assert {row["updates"] for row in rows} == {"40"}
    assert {int(row["frames"]) for row in rows} == {
        torch.load(whole / "checkpoints/last.ckpt", weights_only=True)["tinyworlds"]["env_steps"]
    }
    assert len([*tmp_path.glob("*/scores.json")]) == len(rows)


def test_the_newest_is_found(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(whole.parents[3])
    assert main(["episodes", "--episodes", "1", "--output", str(tmp_path), "--greedy"]) == 0
    assert "latest: lightning_logs/catch/agent/version_0/checkpoints/last.ckpt" in capsys.readouterr().out
    assert scores_in(tmp_path)["policy"] == "greedy"


def test_what_it_imagines_is_written(checkpoint, tmp_path, capsys):
    words = [
        "episodes",
        "--checkpoint",
        checkpoint,
        "--episodes",
        "2",
        "--output",
        str(tmp_path),
        "--open_loop",
        "--gif",
    ]
    assert main([*words, "--context", "3", "--horizon", "4"]) == 0
    raw = np.load(tmp_path / "open_loop.npy")
    assert raw.shape == (3, 2, 7, 16, 16, 3)
    figures = json.loads((tmp_path / "open_loop.json").read_text())
    truth, dream = (part.astype(float) / 255 for part in raw[:2])
    errors = ((truth - dream) ** 2).mean(axis=(0, 2, 3, 4))
    assert figures["picture_mse"] == pytest.approx(errors, abs=2e-3)
    assert {path.suffix for path in tmp_path.glob("open_loop.*")} == {".npy", ".json", ".png", ".mp4", ".gif"}


class Black(gym.Env):
    """Draws nothing."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode, self.steps = render_mode, 0

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros((32, 32, 3), np.uint8), {}

    def step(self, action):
        self.steps += 1
        return np.zeros((32, 32, 3), np.uint8), 1.0, self.steps == 5, False, {}


def test_black_frames_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(gym.registry, "Black-v0", gym.envs.registration.EnvSpec("Black-v0", Black))
    words = ["episodes", "--random-agent", "--task", "Black-v0", "--episodes", "1", "--output", str(tmp_path)]
    assert main(words) == 0
    assert "all frames are black" in capsys.readouterr().out
    assert scores_in(tmp_path)["mean"] == 5.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--checkpoint", "none"], "add --random_agent"),
        (["--random-agent"], "--task is not set"),
        (["--random-agent", "--task", "atari_ponk"], "Did you mean 'pong'?"),
        (["--random-agent", "--checkpoint", "a.ckpt", "--task", "catch"], "needs no checkpoint"),
        (["--checkpoint", "nowhere/*.ckpt"], "there is no such file"),
        (["--greedy", "--sample"], "exclude each other"),
        (["--task", "catch"], "holds no agent; train one"),
        (["--random-agent", "--task", "dmc_walker_walk"], "needs the package 'shimmy'"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(["episodes", *words]) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert not [*tmp_path.iterdir()]


def test_an_agent_of_another_game_is_refused(checkpoint, tmp_path, capsys):
    assert (
        main(["episodes", "--checkpoint", checkpoint, "--task", "CartPole-v1", "--output", str(tmp_path)])
        != 0
    )
    assert "cart_pole" in capsys.readouterr().err


def test_human_scores():
    assert human_normalised("atari_boxing", 12.1) == pytest.approx(1.0)
    assert human_normalised("atari_pong", -20.7) == pytest.approx(0.0)
    assert human_normalised("catch", 1.0) is None
