"""The sweep of docs/experiments.md: the command that W&B makes of it is one of ours."""

import re

import yaml
from paths import ROOT

from tinyworlds.commands.cli import main


def test_the_command_of_the_sweep_is_accepted(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    sweep = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1])
    values = {name: told["values"][-1] for name, told in sweep["parameters"].items()}
    args = [f"--{name}={value}" for name, value in values.items()]  # as W&B writes them
    program, *words = [word for each in sweep["command"] for word in (args if each == "${args}" else [each])]
    assert program == "tinyworlds"
    assert main([*words, "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["init_args"]["learning_rate"] == values["model.learning_rate"]
    assert config["wandb"] is True
