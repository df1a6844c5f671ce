"""Tiny runs through the real command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from gameplay_files import write_gameplay
from tiny_runs import words

from tinyworlds.commands.cli import main


@pytest.fixture(scope="session")
def trained_partners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a tokenizer and an action model of two steps each; only to be copied."""
    folder = tmp_path_factory.mktemp("partners")
    data = write_gameplay(folder / "tiny_frames.h5")
    for stage in ("video_tokenizer", "latent_actions"):
        assert main(["fit", *words(stage, data, folder / "run", "--trainer.max_steps=2")]) == 0
    return folder / "run"


@pytest.fixture
def partners(trained_partners: Path, tmp_path: Path) -> Path:
    """The run folder `run` with a tokenizer and an action model of two steps each, trained on `tiny_h5`."""
    return Path(shutil.copytree(trained_partners, tmp_path / "run"))


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
