"""Every shipped YAML through fit, validate, test and predict, on tiny data in the true format."""

from pathlib import Path

import pytest
import yaml

from tinyworlds.commands.cli import main
from tinyworlds.fit.config_files import shipped_configs
from tinyworlds.models.registry import STAGES

GAMES = sorted(
    {path.name.removesuffix("_tokenizer.yaml") for path in shipped_configs().glob("*_tokenizer.yaml")}
)
TITLES = ("zelda", "sonic", "pole_position", "picodoom", "pong")

QUICK_FIRST = ["own", *(pytest.param(game, marks=pytest.mark.slow) for game in GAMES if game != "own")]


def path_of(game: str, stage: str) -> Path:
    return shipped_configs() / f"{game}_{STAGES[stage].config_suffix}.yaml"


def test_all_titles_have_all_stages() -> None:
    assert set(TITLES) <= set(GAMES)
    expected = {path_of(game, stage) for game in GAMES for stage in STAGES}
    overlays = {*shipped_configs().glob("quickstart_*.yaml")}  # for `tinyworlds train`, not for one stage
    agents = {*shipped_configs().glob("dreamer_*.yaml")}
    assert {*shipped_configs().glob("*.yaml")} - overlays - agents == expected


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("stage", STAGES)
def test_header_tells_the_command(game: str, stage: str) -> None:
    text = path_of(game, stage).read_text()
    assert (
        f"tinyworlds fit --config configs/{game}_{STAGES[stage].config_suffix}.yaml" in text or game == "own"
    )
    assert set(yaml.safe_load(text)) <= {
        "model",
        "data",
        "trainer",
        "checkpoint",
        "seed_everything",
        "rollout",
    }


@pytest.mark.parametrize("game", GAMES)
def test_every_config_is_understood(game: str) -> None:
    for stage in STAGES:
        assert main(["fit", "--config", str(path_of(game, stage)), "--print_config=skip_default"]) == 0


@pytest.mark.parametrize("game", QUICK_FIRST)
def test_every_stage_is_trained(game: str, tiny_h5: Path, tmp_path: Path) -> None:
    for stage in STAGES:
        argv = ["--config", str(path_of(game, stage)), *tiny_settings(tiny_h5, tmp_path)]
        assert main(["fit", *argv, "--trainer.max_steps=1"]) == 0


@pytest.mark.slow
def test_every_command_runs(tiny_h5: Path, tmp_path: Path) -> None:
    for stage in STAGES:
        argv = ["--config", str(path_of("own", stage)), *tiny_settings(tiny_h5, tmp_path)]
        assert main(["fit", *argv, "--trainer.max_steps=1"]) == 0
        for command in ("fit", "validate", "test", "predict"):
            more = ["--rollout.horizon=1", "--rollout.num_steps=2"] if command == "predict" else []
            assert main([command, *argv, "--trainer.fast_dev_run=true", *more]) == 0, (command, stage)


def tiny_settings(data: Path, run: Path) -> list[str]:
    """Of a run that takes a second."""
    settings = ["--data.files", str(data), "--data.frame_size=16", "--data.batch_size=2"]
    settings += ["--data.skip_frames=0", "--data.fps=15", "--trainer.accelerator=cpu", "--pictures=false"]
    return [*settings, "--trainer.enable_progress_bar=false", "--run", str(run)]
