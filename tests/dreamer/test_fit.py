"""Training an agent by the command line: it goes on exactly, says what it lacks, ends when it should."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from small_agents import SMALL, fit, version

from tinyworlds import load_network
from tinyworlds.commands.cli import main


def weights(folder):
    return load_network(folder / "checkpoints/last.ckpt").state_dict()


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_speeds(row):
    return {key: value for key, value in row.items() if not key.startswith("fps/")}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_training_goes_on_exactly(whole, tmp_path, capsys):
    fit(tmp_path, "--trainer.max_steps=17")
    half = fit(tmp_path, "--trainer.max_steps=40", "--ckpt_path=last")
    assert "going on from" in capsys.readouterr().out
    assert same(weights(half), weights(whole))
    for name in ("metrics.jsonl", "scores.jsonl"):
        one, other = ([*map(without_speeds, rows(folder / name))] for folder in (half, whole))
        assert [row for row in one if "val/score" not in row] == [
            row for row in other if "val/score" not in row
        ]


def test_files_are_the_published_ones(whole):
    lines = rows(whole / "metrics.jsonl")
    trained = [line for line in lines if "train/loss/image" in line]
    assert len(trained) == 40
    for key in ("image", "rew", "con", "dyn", "rep", "policy", "value", "repval"):
        assert f"train/loss/{key}" in trained[-1]
    steps = [line["step"] for line in trained]
    assert steps == sorted(steps)
    scores = rows(whole / "scores.jsonl")
    assert {abs(line["episode/score"]) for line in scores} == {1.0}
    assert [line["step"] for line in scores[:2]] == [
        16,
        16,
    ]  # an episode has eight steps, there are two games


def test_an_update_for_so_many_steps(whole):
    steps = [line["step"] for line in rows(whole / "metrics.jsonl") if "train/loss" in line]
    assert {*np.diff(steps)} == {4, 6}  # 2 of 10 trained steps for each taken, two games at once: every 5
    assert np.mean(np.diff(steps)) == pytest.approx(5.0, abs=0.1)


@pytest.mark.slow
def test_the_replay_forgets_on_disk_too(tmp_path, capsys):
    small = "--data.capacity=30", "--checkpoint.every_n_steps=10"
    folder = fit(tmp_path, "--trainer.max_steps=80", *small) / "replay"
    assert len([*folder.glob("states_*.npz")]) == 2
    assert len([*folder.glob("steps_000_*.npz")]) == 1
    fit(tmp_path, "--trainer.max_steps=82", "--ckpt_path=last", *small)
    assert "no replay" not in capsys.readouterr().err


@pytest.mark.slow
def test_without_its_replay_a_checkpoint_goes_on_and_says_so(tmp_path, capsys):
    folder = fit(tmp_path, "--trainer.max_steps=5")
    shutil.rmtree(folder / "replay")
    fit(tmp_path, "--trainer.max_steps=8", "--ckpt_path=last")
    said = capsys.readouterr().err
    assert re.search(r"no replay to go on from \(.*\): 10 windows are played anew first", said)
    assert (folder / "replay").is_dir()
    steps = [line["step"] for line in rows(folder / "metrics.jsonl") if "train/loss" in line]
    assert len(steps) == 8
    assert (np.diff(steps) > 0).all()  # counted on, also what was played to fill it
    assert steps[5] - steps[4] > 10


def test_a_damaged_replay_is_not_used(tmp_path, capsys):
    folder = fit(tmp_path, "--trainer.max_steps=5")
    for path in (folder / "replay").glob("steps_*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    fit(tmp_path, "--trainer.max_steps=6", "--ckpt_path=last")
    assert "no replay to go on from" in capsys.readouterr().err


def test_it_ends_after_so_many_steps(tmp_path):
    folder = fit(tmp_path, "--trainer.max_steps=100000", "--data.max_env_steps=100")
    meta = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["tinyworlds"]
    assert meta["stage"] == "agent"
    assert 100 <= meta["env_steps"] <= 106
    assert meta["game"] == "catch"


def test_validation_ends_and_says_the_score(whole, capsys):
    assert main(["validate", "--ckpt_path", str(whole / "checkpoints/last.ckpt")]) == 0
    said = capsys.readouterr().out
    assert "val/score" in said
    again = main(["validate", "--ckpt_path", str(whole / "checkpoints/last.ckpt")])
    assert again == 0
    assert capsys.readouterr().out.split("val/score")[1] == said.split("val/score")[1]


def test_a_preset_says_what_it_changes(tmp_path, capsys):
    fit(tmp_path, "--trainer.max_steps=1", "--model.entropy=0.5")
    line = next(line for line in capsys.readouterr().out.splitlines() if "preset cpu-tiny" in line)
    assert "learning_rate 0.001" in line
    assert "entropy" not in line  # it was asked for
    config = (version(tmp_path) / "config.yaml").read_text()
    assert "entropy: 0.5" in config
    assert "learning_rate: 0.001" in config


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data.task=katch"], "no game is called 'katch'. Did you mean 'catch'?"),
        (["--model.preset=13m"], "preset must be one of"),
        (["--model.variant=papers"], "Did you mean 'paper'?"),
        (["--data.observe=vector"], "hands an agent no numbers"),
        (["--data.capacity=5"], "holds no window"),
        (["--data.train_ratio=0"], "data.train_ratio must be above 0"),
        (["--data.frame_size=50"], "use another frame size"),
        (["--ckpt_path=last"], "holds no valid checkpoint"),
    ],
)  # fmt: skip
def test_wrong_settings_are_said_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL, "--trainer.max_steps=1", *words]) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert not any("Traceback" in line for line in lines)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_exactly(whole, tmp_path):
    words = [sys.executable, "-m", "tinyworlds", "fit", *SMALL, "--checkpoint.every_n_steps=7"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    folder = version(tmp_path)
    last = folder / "checkpoints/last.ckpt"

    def seen():
        return [*folder.rglob("states_*.npz")], last.exists() and last.stat().st_mtime_ns

    for number in range(4):
        go_on = ["--ckpt_path=last"] if last.exists() else []
        process = subprocess.Popen([*words, "--trainer.max_steps=40", *go_on], cwd=tmp_path, env=environment)
        before, deadline = seen(), time.monotonic() + 60
        while process.poll() is None and (seen() == before or (number == 0 and not last.exists())):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()  # often between the replay and its checkpoint
        process.wait()
    fit(tmp_path, "--checkpoint.every_n_steps=7", "--trainer.max_steps=40", "--ckpt_path=last")
    assert same(weights(version(tmp_path)), weights(whole))
