"""The agent learns: from pixels, with a reward after seven steps, within minutes on a CPU.

The threshold was fixed before five seeds were run; docs/log.md has what they gave.
"""

import json

import numpy as np
import pytest

from tinyworlds.commands.cli import main
from tinyworlds.fit.config_files import shipped_configs

UPDATES, THRESHOLD, ABOVE_CHANCE = 3000, 0.5, 1.0


@pytest.mark.slow
def test_catch_is_learnt(tmp_path):
    words = ["--config", str(shipped_configs() / "dreamer_catch.yaml"), "--run", str(tmp_path)]
    assert main(["fit", *words, f"--trainer.max_steps={UPDATES}", "--trainer.val_check_interval=1000"]) == 0
    lines = (tmp_path / "agent/version_0/scores.jsonl").read_text().splitlines()
    scores = [json.loads(line)["episode/score"] for line in lines]
    chance, learnt = np.mean(scores[:100]), np.mean(scores[-100:])
    assert learnt >= THRESHOLD, (chance, learnt)
    assert learnt >= chance + ABOVE_CHANCE, (chance, learnt)
