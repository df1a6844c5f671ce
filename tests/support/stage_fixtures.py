"""Tiny runs through the real command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import words

from tinyworlds.commands.cli import main


@pytest.fixture
def partners(tiny_h5: Path, tmp_path: Path) -> Path:
    """A run folder with a tokenizer and an action model of two steps each."""
    run = tmp_path / "run"
    for stage in ("video_tokenizer", "latent_actions"):
        assert main(["fit", *words(stage, tiny_h5, run, "--trainer.max_steps=2")]) == 0
    return run


@pytest.fixture
def error_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail; return its only line on stderr."""

    def run(*argv: str, code: int | None = None) -> str:
        capsys.readouterr()
        found = main(list(argv))
        err = capsys.readouterr().err.strip()
        assert found != 0
        assert code is None or found == code, err
        assert "\n" not in err, err
        assert err.startswith("error: "), err
        return err

    return run
