"""Environments and agents that lie beside the user, through the console script."""

import os
import subprocess
import sys
import textwrap

import pytest
from paths import ROOT

from tinyworlds.errors import ConfigError, MissingExtraError
from tinyworlds.sources.record.environments import find_environment
from tinyworlds.sources.record.policies import load_agent

GAME = """
    import gymnasium as gym, numpy as np
    from my_pictures import picture

    class Own(gym.Env):
        action_space = gym.spaces.Discrete(2)
        observation_space = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)
        def reset(self, *, seed=None, options=None): return picture(), {}
        def step(self, action): return picture(), 0.0, False, False, {}

    gym.register("Own-v0", "my_env:Own")
"""
PICTURES = "import numpy as np\n\ndef picture():\n    return np.full((32, 32, 3), 9, np.uint8)\n"
AGENT = "from my_help import CHOICE\n\ndef act(frame):\n    return CHOICE\n"


@pytest.fixture
def folder(tmp_path):
    """Two folders with an environment and an agent, each of which imports what lies beside it."""
    for place in (tmp_path, tmp_path / "other place"):
        place.mkdir(exist_ok=True)
        for name, code in {"env": GAME, "pictures": PICTURES, "agent": AGENT, "help": "CHOICE = 1\n"}.items():
            (place / f"my_{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return tmp_path


def script(folder, *words):
    """The console script: the folder of the script, not the current one, heads Python's path."""
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    (bin / "tinyworlds").write_text(
        "import sys\nfrom tinyworlds.commands.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main())\n",
        encoding="utf-8",
    )
    return subprocess.run(
        [sys.executable, str(bin / "tinyworlds"), *words], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "processes"),
    [
        (["my_env:Own-v0", "--policy", "my_agent:act"], 2),
        (["other place/my_env.py:Own-v0", "--policy", "other place/my_agent.py"], 2),
    ],
)
def test_a_module_in_this_folder(folder, words, processes):
    done = script(folder, "record", *words, "--out", "a.h5", "--frames", "40", "--processes", str(processes))
    assert done.returncode == 0, done.stderr
    assert "40 frames" in done.stdout


@pytest.mark.parametrize(
    ("env_id", "told"),
    [
        ("my_envs:Own-v0", "no module 'my_envs' is installed, and none lies in this folder"),
        ("gone.py:Own-v0", "there is no file 'gone.py'"),
        (":Own-v0", "'' is no name of a module"),
        (".my_env:Own-v0", "'.my_env' is no name of a module"),
        ("my env:Own-v0", "'my env' is no name of a module"),
        ("needs:Own-v0", "it needs the module 'no_such_thing'"),
        ("wrong:Own-v0", "SyntaxError"),
        ("raises:Own-v0", r"ZeroDivisionError: division by zero \(raises.py, line 2\)"),
        ("leaves:Own-v0", "SystemExit: 3"),
        ("registers_nothing:Own-v9", "No gymnasium environment is called 'Own-v9'"),
        ("other place/json.py:Own-v0", "another module is called 'json'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(folder, monkeypatch, env_id, told):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, code in {
        "needs": "import no_such_thing", "wrong": "def (:", "raises": "\n1 / 0",
        "leaves": "raise SystemExit(3)", "registers_nothing": "", "other place/json": "",
    }.items():  # fmt: skip
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    with pytest.raises((MissingExtraError, ConfigError), match=told) as caught:
        find_environment(env_id)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("agent", ["raises:act", "raises.py", "leaves.py", "needs:act"])
def test_an_agent_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, agent):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, code in {"needs": "import no_such_thing", "raises": "1 / 0", "leaves": "exit(3)"}.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be imported"):
        load_agent(agent)
