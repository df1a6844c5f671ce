"""``tinyworlds train``: three stages in order, overrides passed on, honest exit codes, going on."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fake_stages import FakeStages
from made_runs import networks, save_stage
from tiny_runs import SMALL, curve

from tinyworlds.commands.cli import main
from tinyworlds.models.registry import STAGES


def state(run: Path) -> dict[str, str]:
    content = json.loads((run / "run.json").read_text())
    return {stage: content["stages"][stage]["status"] for stage in STAGES}


def test_order_overrides_and_run_folder(stages: Callable[..., FakeStages], tmp_path: Path) -> None:
    fake = stages()
    more = ["--trainer.max_steps", "7", "--dynamics.trainer.max_steps=9", "--model.num_experts=2", "--wandb"]
    assert main(["train", "zelda", "--run", str(tmp_path), *more]) == 0
    configs = [Path(fake.words(i)[fake.words(i).index("--config") + 1]).name for i in range(3)]
    assert configs == ["zelda_tokenizer.yaml", "zelda_latent_actions.yaml", "zelda_dynamics.yaml"]
    for i in range(3):
        assert fake.words(i)[0] == "fit"
        assert "--trainer.max_steps=7" in fake.words(i)
        assert "--wandb" in fake.words(i)
        assert fake.words(i)[-2:] == ["--run", str(tmp_path)]
        assert ("--model.num_experts=2" in fake.words(i)) == (i == 2), "only dynamics have experts"
    dynamics = fake.words(2)
    assert dynamics.index("--trainer.max_steps=7") < dynamics.index("--trainer.max_steps=9"), "its own wins"
    assert set(state(tmp_path).values()) == {"done"}


@pytest.mark.parametrize(("actions", "count"), [("labels", 2), ("none", 2), ("anchored", 3), ("latent", 3)])
def test_dynamics_that_are_told_the_actions_ask_no_action_model(
    stages: Callable[..., FakeStages],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    actions: str,
    count: int,
) -> None:
    fake = stages()
    words = ["train", "pong", "--run", str(tmp_path), "--dynamics.model.actions", actions]
    assert main(words) == 0
    assert len(fake.commands) == count
    told = capsys.readouterr().out
    assert f"dynamics ({count}/{count})" in told
    assert f"{'both' if count == 2 else 'all three'} stages are trained" in told
    assert main(["train", "pong", "--run", str(tmp_path), "--dynamics.model.actions", "latent"]) == 0
    assert len(fake.commands) == {"labels": 4, "none": 4, "anchored": 4, "latent": 3}[actions]


def test_a_failed_stage_stops_and_is_gone_on_with(
    stages: Callable[..., FakeStages], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = stages(0, 3)
    assert main(["train", "pong", "--run", str(tmp_path)]) == 3
    assert "latent_actions failed (exit code 3)" in capsys.readouterr().err
    assert len(fake.commands) == 2
    assert [*state(tmp_path).values()] == ["done", "failed", "waiting"]
    save_stage(tmp_path, "latent_actions", networks()["latent_actions"], finished=False)
    fake = stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    assert len(fake.commands) == 2, "the tokenizer is done"
    assert "--ckpt_path" in fake.words(0)
    assert "--ckpt_path" not in fake.words(1)
    fake = stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    assert not fake.commands


def test_other_settings_train_again_what_depends_on_them(
    stages: Callable[..., FakeStages], tmp_path: Path
) -> None:
    stages()
    main(["train", "pong", "--run", str(tmp_path)])
    fake = stages()
    main(["train", "pong", "--run", str(tmp_path), "--latent_actions.model.num_actions", "8"])
    assert len(fake.commands) == 2
    assert not any("--ckpt_path" in command for command in fake.commands)
    fake = stages()
    main(["train", "pong", "--run", str(tmp_path), "--latent_actions.model.num_actions", "8", "--fresh"])
    assert len(fake.commands) == 3


def test_killed_and_interrupted_stages(stages: Callable[..., FakeStages], tmp_path: Path) -> None:
    stages(-9)
    assert main(["train", "pong", "--run", str(tmp_path)]) == 137
    for code in (130, 143):
        fake = stages(code)
        assert main(["train", "pong", "--run", str(tmp_path)]) == code
        assert [*state(tmp_path).values()] == ["interrupted", "waiting", "waiting"]
        assert len(fake.commands) == 1


@pytest.mark.parametrize(
    "words", [["pong", "--help"], ["pong", "-h"], ["--help"], ["pong", "--run", "x", "--help"]]
)
def test_help_is_the_own_and_trains_nothing(
    words: list[str],
    stages: Callable[..., FakeStages],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fake = stages()
    assert main(["train", *words]) == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: tinyworlds train GAME")
    assert len(told.splitlines()) < 40
    assert not fake.commands
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "word", ["--print_config", "--trainer.fast_dev_run", "--dynamics.trainer.fast_dev_run=2"]
)
def test_what_trains_nothing_is_not_of_train(
    word: str, error_line: Callable[..., str], tmp_path: Path
) -> None:
    line = error_line("train", "pong", "--run", str(tmp_path / "run"), word, code=2)
    assert "trains nothing" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("saves", [None, False], ids=["nothing", "unfinished"])
def test_an_exit_code_makes_no_stage_done(
    saves: bool | None, stages: Callable[..., FakeStages], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with --trainer.max_steps 0, or a child that somebody ended so that it exits with 0."""
    fake = stages(saves=saves)
    assert main(["train", "pong", "--run", str(tmp_path)]) == 1
    assert "no new checkpoint that says it is finished" in capsys.readouterr().err
    assert [*state(tmp_path).values()] == ["failed", "waiting", "waiting"]
    assert len(fake.commands) == 1
    assert main(["train", "pong", "--run", str(tmp_path)]) == 1
    assert ("--ckpt_path" in fake.words(1)) == (saves is not None)


def test_an_older_version_makes_no_stage_done(stages: Callable[..., FakeStages], tmp_path: Path) -> None:
    stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    stages(saves=None)
    assert main(["train", "pong", "--run", str(tmp_path), "--trainer.max_steps=3"]) == 1
    assert [*state(tmp_path).values()] == ["failed", "waiting", "waiting"]


@pytest.mark.parametrize("left", ["nothing", "unfinished", "damaged"])
def test_done_without_its_checkpoint_is_trained_again(
    left: str, stages: Callable[..., FakeStages], tmp_path: Path
) -> None:
    stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    for path in tmp_path.joinpath("latent_actions").rglob("*.ckpt"):
        path.unlink() if left == "nothing" else path.write_bytes(b"cut short")
    if left == "unfinished":
        save_stage(tmp_path, "latent_actions", networks()["latent_actions"], finished=False)
    fake = stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    assert len(fake.commands) == 2, "dynamics are trained on it"
    assert ("--ckpt_path" in fake.words(0)) == (left == "unfinished")


def test_a_run_from_before_checkpoints_told(stages: Callable[..., FakeStages], tmp_path: Path) -> None:
    stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    for stage, network in networks().items():
        save_stage(tmp_path, stage, network)
    fake = stages()
    assert main(["train", "pong", "--run", str(tmp_path)]) == 0
    assert not fake.commands


def test_overlay_for_one_and_for_all(stages: Callable[..., FakeStages], tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "trainer: {max_steps: 5}\ndynamics: {trainer: {max_steps: 6}, data: {num_frames: 8}}\n"
    )
    fake = stages()
    assert main(["train", "sonic", "--run", str(tmp_path / "run"), "--config", str(overlay)]) == 0
    found = []
    for i in range(3):
        words = fake.words(i)
        found.append(yaml.safe_load(Path(words[len(words) - words[::-1].index("--config")]).read_text()))
    assert found[0] == found[1] == {"trainer": {"max_steps": 5}}
    assert found[2] == {"trainer": {"max_steps": 6}, "data": {"num_frames": 8}}


def test_wrong_words(error_line: Callable[..., str], tmp_path: Path) -> None:
    run = ["--run", str(tmp_path)]
    assert "Did you mean 'zelda'?" in error_line("train", "zeldaa", *run, code=2)
    assert "Did you mean 'model.num_blocks'?" in error_line(
        "train", "pong", "--model.num_blcks=3", *run, code=2
    )
    assert "needs a game" in error_line("train", "--run", "x", code=2)
    assert "--run: expected one argument" in error_line("train", "pong", "--run", code=2)
    assert "does not exist" in error_line("train", "pong", "--config", "none.yaml", *run, code=2)
    (tmp_path / "run.json").write_text("{")
    assert "damaged" in error_line("train", "pong", *run, code=2)


def test_a_run_of_another_game(
    stages: Callable[..., FakeStages], error_line: Callable[..., str], tmp_path: Path
) -> None:
    stages()
    main(["train", "pong", "--run", str(tmp_path)])
    assert "is a run of pong, asked for sonic" in error_line("train", "sonic", "--run", str(tmp_path), code=2)


@pytest.mark.slow
def test_a_game_of_ones_own_for_real(tiny_h5: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyworlds", "train", "mygame", "--run", str(tmp_path / "run")]
    settings = ["--data.files", str(tiny_h5), "--trainer.max_steps=3", *SMALL]
    done = subprocess.run([*command, *settings], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in STAGES:
        assert len(curve(tmp_path / "run" / stage / "version_0")) == 3
    wrong = subprocess.run(
        [*command, *settings, "--data.num_frames=99"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode != 0
    assert "Traceback" not in wrong.stderr
