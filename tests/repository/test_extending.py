"""The page about parts of one's own is followed as it stands: its files are written, its commands run."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from doc_pages import commands, write_files
from paths import ROOT
from tiny_runs import curve

from tinyworlds.commands.cli import main

PAGE = ROOT / "docs" / "extending.md"
CONSOLE_SCRIPT = "import sys\nfrom tinyworlds.commands.cli import process_main\nsys.exit(process_main())\n"


def run(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the installed ``tinyworlds`` does: the current folder is not on the path."""
    script = folder.parent / "bin" / "tinyworlds"
    script.parent.mkdir(exist_ok=True)
    script.write_text(CONSOLE_SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    words = [sys.executable, str(script), *shlex.split(line)[1:]]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_page_writes_files_and_runs_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = write_files(PAGE, tmp_path)
    assert {"my_actions.py", "my_callbacks.py", "my_network.py", "short.yaml", "nadam.yaml"} == {*names}
    told = {line.split()[1] for line in commands(PAGE)}
    assert told == {"record", "fit", "validate", "export", "play"}
    monkeypatch.chdir(tmp_path)
    more = ["--config", "short.yaml", "--config", "nadam.yaml", "--print_config"]
    assert main(["fit", "--config", "pong_tokenizer.yaml", *more]) == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert settings["optimizer"]["class_path"] == "torch.optim.NAdam"
    assert settings["lr_scheduler"]["init_args"]["total_steps"] == settings["trainer"]["max_steps"]


@pytest.mark.slow
def test_the_page_can_be_followed(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    folder = tmp_path / "mine"
    folder.mkdir()
    write_files(PAGE, folder)
    said = {}
    for line in commands(PAGE):
        done = run(line, folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout
    runs = folder / "lightning_logs"
    tokenizer, actions, dynamics = (
        runs / "pong" / stage / "version_0" for stage in ("video_tokenizer", "latent_actions", "dynamics")
    )
    assert len(curve(tokenizer, "train/weight_norm")) == 2, "the callback's, at steps 5 and 10"
    assert len(curve(actions, "train/change")) == 3, "the loss's own part: 10 updates, and 5 more"
    assert curve(dynamics, "train/learning_rate")[-1] < 1e-4, "the cosine that was asked for has come down"
    assert (folder / "clip.mp4").stat().st_size > 1000
    told = "my_network.RefinedTokenizer is not part of tinyworlds"
    assert [line for line, text in said.items() if told in text] == [
        "tinyworlds export lightning_logs/mine mine.world"
    ]

    play = "tinyworlds play mine.world --headless --keys w*4 --out other.mp4"
    assert run(play, folder).returncode == 0, "here it was trained"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("pong.world", "mine.world"):
        (folder / name).rename(elsewhere / name)
    assert run(play.replace("mine", "pong"), elsewhere).returncode == 0, "with a network of ours, anywhere"
    refused = run(play, elsewhere)
    assert refused.returncode == 1
    assert "TINYWORLDS_IMPORT=my_network" in refused.stderr
    (elsewhere / "my_network.py").write_text("open('RAN', 'w')\n", encoding="utf-8")
    assert run(play, elsewhere).returncode == 1
    assert not (elsewhere / "RAN").exists(), "what a file names is not run unasked"
    (folder / "my_network.py").replace(elsewhere / "my_network.py")
    assert run(play, elsewhere, TINYWORLDS_IMPORT="my_network").returncode == 0, "asked for, it is"
