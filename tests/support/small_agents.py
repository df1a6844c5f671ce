"""Agents that are trained for a few updates, by the command line."""

import os
from pathlib import Path

from tinyworlds.commands.cli import main

SMALL = [
    "--model.class_path=DreamerStage", "--model.preset=cpu-tiny", "--model.imagined_steps=3",
    "--data.task=catch", "--data.num_envs=2", "--data.train_ratio=2", "--data.batch_size=2",
    "--data.length=5", "--data.eval_episodes=2", "--data.capacity=300", "--trainer.log_every_n_steps=1",
]  # fmt: skip


def fit(folder, *words, code=0):
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["fit", *SMALL, *words]) == code
    finally:
        os.chdir(before)
    return version(folder)


def version(folder, number=0):
    return folder / f"lightning_logs/catch/agent/version_{number}"
