"""Logs for Scope: the package itself reads what a run wrote."""

import sys

import numpy as np
import pytest
import scope
from small_agents import fit, version

from tinyworlds.commands.cli import main
from tinyworlds.training.scope_logger import ScopeLogger, scope_key


def test_a_run_can_be_opened_and_goes_on(tmp_path):
    fit(tmp_path, "--trainer.max_steps=6", "--scope")
    folder = fit(tmp_path, "--trainer.max_steps=9", "--scope", "--ckpt_path=last")
    reader = scope.Reader(str(folder))
    assert {"train/loss/image", "episode/score", "val/score", "open_loop"} <= set(reader.keys())
    steps, values = reader["train/loss/image"]
    assert len(steps) == 9
    assert (np.diff(steps) > 0).all()  # frames of the game, none twice
    assert np.isfinite(values).all()
    _, [name, *_] = reader["open_loop"]
    assert reader.load("open_loop", f"open_loop.png/{name}" if "/" not in str(name) else name).shape[-1] == 3


def test_numbers_of_steps_that_come_again_are_dropped(tmp_path):
    first = ScopeLogger(tmp_path)
    for step in range(5):
        first.log_metrics({"train/loss": float(step), "epoch": 0}, step)
    again = ScopeLogger(tmp_path)
    again.log_metrics({"train/loss": 30.0}, 3)
    steps, values = scope.Reader(str(tmp_path))["train/loss"]
    assert steps.tolist() == [0, 1, 2, 3]
    assert values.tolist() == [0.0, 1.0, 2.0, 30.0]


@pytest.mark.parametrize(("key", "named"), [("val/PSNR", "val/psnr"), ("_a b/c-d", "a_b/c_d"), ("", "value")])
def test_names_that_scope_takes(key, named):
    assert scope_key(key) == named


def test_without_the_package_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "scope", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None)
    monkeypatch.chdir(tmp_path)
    words = ["--model.class_path=DreamerStage", "--data.task=catch", "--model.preset=cpu-tiny", "--scope"]
    assert main(["fit", *words, "--trainer.max_steps=1"]) != 0
    assert "tinyworlds[scope]" in capsys.readouterr().err
    assert not version(tmp_path).joinpath("scope").exists()
