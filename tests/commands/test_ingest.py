"""A new game without code: the YAML that ingest writes, and every command that takes it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ingest_videos import numbered_video

from games import get, titles
from games.spec import GameSpec
from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_files import find_config
from tinyworlds.fit.train_request import make_request
from tinyworlds.models.registry import STAGES
from tinyworlds.sources.ingest.game_file import spec_for, write_spec

WHOLE = """\
name: mine
title: My Game
data_file: data/mine_frames.h5
frame_size: 32
fps: 10
num_actions: 8
key_map:
  a: 0
  7: 1
  Up: 2
skip_frames: 5
crop: [0, 0, 8, 8]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "mine") -> None:
    Path("data").mkdir(exist_ok=True)
    Path(f"data/{name}.yaml").write_text(text, encoding="utf-8")


def test_a_yaml_file_is_a_title() -> None:
    assert "mine" not in titles()
    write(WHOLE)
    write("learning_rate: 3", "settings")
    assert [name for name in titles() if name in ("mine", "settings")] == ["mine"]
    assert get("mine") == GameSpec(
        "mine", "My Game", "data/mine_frames.h5", 32, 10, 8, {"a": 0, "7": 1, "up": 2}, crop=(0, 0, 8, 8),
        skip_frames=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fsp: 15", "'fsp' is no setting of a game. Did you mean 'fps'"),
        ("fps: fast", "fps is 'fast'; it must be float"),
        ("frame_size: 3.5", "frame_size is 3.5; it must be int"),
        ("num_actions: 6", "num_actions is 6; it must be a power of two"),
        ("key_map: {a: left}", "write each as"),
        ("key_map: {a: 99}", "outside 0 to"),
        ("title: [", "is no YAML"),
        ("name: other", "names the game 'other'; call it 'mine'"),
    ],
)
def test_a_mistake_in_it_is_told_with_the_file(line: str, told: str) -> None:
    key = line.split(":")[0]
    lines = [old for old in WHOLE.splitlines() if old.split(":")[0] != key]
    if key == "key_map":
        lines = [old for old in lines if not old.startswith("  ")]
    write("\n".join([*lines, line]))
    with pytest.raises(ConfigError, match=r"mine\.yaml") as error:
        get("mine")
    assert told in str(error.value)
    assert "mine" in titles(), "one broken file does not hide the others, nor itself"
    assert main(["train", "mine"]) == 2


def test_what_is_missing_in_it() -> None:
    write("data_file: data/mine_frames.h5")
    with pytest.raises(ConfigError, match="name, title is missing"):
        get("mine")


def test_what_ingest_writes_is_read_back() -> None:
    spec = spec_for("my_game", 32, 12.5)
    path = write_spec(spec)
    assert path == Path("data/my_game.yaml")
    assert get("my_game") == spec


def test_what_the_user_wrote_in_it_stays() -> None:
    write(WHOLE.replace("fps: 10", "fps: 10  # slow"))
    spec = spec_for("mine", 64, None)
    assert (spec.frame_size, spec.fps) == (64, 10)
    write_spec(spec)
    text = Path("data/mine.yaml").read_text()
    assert text == WHOLE.replace("fps: 10", "fps: 10  # slow").replace("frame_size: 32", "frame_size: 64")


def test_titles_in_python_get_no_yaml() -> None:
    spec = spec_for("zelda", None, None)
    assert (spec.frame_size, spec.data_file) == (128, "data/zelda_frames.h5")
    assert write_spec(spec) is None
    assert not Path("data").exists()


def test_training_takes_rate_and_actions_from_it() -> None:
    write(WHOLE)
    plan = make_request("mine")
    configs = {stage: yaml.safe_load(Path(plan.arguments[stage][1]).read_text()) for stage in STAGES}
    for stage in STAGES:
        assert configs[stage]["data"] == {"fps": 10.0, "game": "mine", "skip_frames": 5}
    assert configs["latent_actions"]["model"]["init_args"]["num_actions"] == 8
    assert "init_args" not in configs["dynamics"]["model"]
    before = plan.arguments
    assert make_request("mine").arguments == before, "the same again, so finished stages stay finished"
    write(WHOLE.replace("fps: 10", "fps: 5"))
    assert make_request("mine").arguments != before, "other settings, so they are trained again"


def test_configs_of_ones_own_go_first() -> None:
    write(WHOLE)
    Path("configs").mkdir()
    Path("configs/mine_dynamics.yaml").write_text("trainer: {max_steps: 3}\n")
    assert find_config("mine_dynamics.yaml") == Path("configs/mine_dynamics.yaml")
    assert find_config("other_dynamics.yaml") is None


def games(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "games", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_list_and_playing_by_name() -> None:
    write(WHOLE)
    write(WHOLE.replace("fps: 10", "fps: fast").replace("mine", "broken"), "broken")
    listed = games().stdout
    assert "My Game" in listed
    assert "fps is 'fast'" in listed
    done = games("mine", "--headless", "--keys", "a*2")
    assert done.returncode == 1
    assert "tinyworlds train mine" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Did you mean 'mine'" in games("mina").stderr


@pytest.mark.slow
def test_from_a_video_to_a_world(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the chain, for real, with a few steps."""
    video = numbered_video(Path("clip.mp4"), 600)
    assert main(["ingest", str(video), "--game", "mine", "--size", "16", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "tinyworlds train mine" in printed
    assert Path("data/mine_sheet.png").stat().st_size > 1000
    small = ["--trainer.max_steps=3", "--data.batch_size=4", "--model.embed_dim=16", "--model.num_heads=2"]
    small += [
        "--model.hidden_dim=16",
        "--model.num_blocks=1",
        "--pictures=false",
        "--trainer.accelerator=cpu",
    ]
    command = [sys.executable, "-m", "tinyworlds"]
    done = subprocess.run([*command, "train", "mine", *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert main(["fit", "--config", "configs/mine_tokenizer.yaml", "--run=other", *small]) == 0
    short = ["--rollout.horizon=2", "--rollout.num_steps=2"]
    assert main(["predict", "--config", "configs/mine_dynamics.yaml", *short, *small]) == 0
    assert main(["export", "lightning_logs/mine", "mine.world"]) == 0
    done = games("mine", "--headless", "--keys", "w*2 d*2", "--out", "play.mp4")
    assert done.returncode == 0, done.stderr
    assert Path("play.mp4").stat().st_size > 500
    assert main(["ingest", str(video), "--game", "mine", "--size", "16"]) == 0
    assert "tinyworlds train mine --fresh" in capsys.readouterr().out
