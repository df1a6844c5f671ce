"""Precisions: those that work do so in every command of every stage, the others are refused in one line."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import train, words

from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.models.registry import STAGES
from tinyworlds.training.precision import check_precision

REFUSED = {
    "16-true": "16-mixed",
    "bf16-true": "bf16-mixed",
    "64-true": "32-true",
    64: "32-true",
    "64": "32-true",
    "transformer-engine": "bf16-mixed",
    "transformer-engine-float16": "16-mixed",
    "bitsandbytes": "bf16-mixed",
}


@pytest.mark.parametrize("precision", REFUSED)
def test_refused_with_what_to_take(precision: str | int) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"use {REFUSED[precision]} ")):
        check_precision(precision)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed", 32, "32", 16, "16", "bf16", None])
def test_taken(precision: str | int | None) -> None:
    check_precision(precision)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--trainer.precision=bf16-true"], "is not supported; use bf16-mixed"),
        (["--trainer.precision=64"], "is not supported; use 32-true"),
        (["--trainer.precision=transformer-engine"], "is not supported; use bf16-mixed"),
        (["--trainer.precision=16-mixed"], "fp16 is not supported on CPU. Using `precision='bf16-mixed'`"),
        (["--trainer.plugins=DoublePrecision"], "both `precision=32-true` and `plugins"),
    ],
)
def test_refused_on_the_command_line(
    more: list[str], told: str, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    line = error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", *more), code=2)
    assert told in line
    assert not (tmp_path / "run" / "video_tokenizer").exists()


@pytest.mark.slow
def test_every_command_of_every_stage_in_bfloat16(tiny_h5_64: Path, tmp_path: Path) -> None:
    """With averaged weights and pictures, through to a world."""
    more = ["--trainer.precision=bf16-mixed", "--pictures=true"]
    for stage in STAGES:
        version = train(stage, tiny_h5_64, tmp_path, "--trainer.max_steps=2", "--model.ema_decay=0.9", *more)
        assert (version / "checkpoints" / "last.ckpt").is_file()
        for command in ("validate", "test", "predict"):
            assert main([command, *words(stage, tiny_h5_64, tmp_path, *more)]) == 0, (stage, command)
    assert main(["export", str(tmp_path), str(tmp_path / "tiny.world")]) == 0
