"""Tiny runs through the real command line."""

import csv
from pathlib import Path

from tinyworlds.commands.cli import main

SMALL = [
    "--data.batch_size=4",
    "--model.embed_dim=16",
    "--model.num_heads=2",
    "--model.hidden_dim=16",
    "--model.num_blocks=1",
    "--trainer.log_every_n_steps=1",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--pictures=false",
]
CONFIG = {
    "video_tokenizer": "pong_tokenizer.yaml",
    "latent_actions": "pong_latent_actions.yaml",
    "dynamics": "pong_dynamics.yaml",
}


def words(stage: str, data: Path, run: Path, *more: str) -> list[str]:
    """The words of a tiny command for one stage."""
    files = ["--config", CONFIG[stage], "--data.files", str(data), "--run", str(run)]
    return [*files, *SMALL, *more]


def curve(version: Path, column: str = "train/loss", name: str = "metrics.csv") -> list[float]:
    with (version / name).open() as file:
        return [float(row[column]) for row in csv.DictReader(file) if row.get(column)]


def train(stage: str, data: Path, run: Path, *more: str) -> Path:
    """Fit and return the newest version folder."""
    assert main(["fit", *words(stage, data, run, *more)]) == 0
    return sorted((run / stage).iterdir(), key=lambda p: int(p.name.split("_")[1]))[-1]
