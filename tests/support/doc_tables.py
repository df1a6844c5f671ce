"""What is made shorter in the commands of the documentation, and which of them no test runs, and why."""

from __future__ import annotations

import re

_FEW_UPDATES = (
    "--trainer.max_steps=2 --trainer.val_check_interval=2 --trainer.limit_val_batches=1 --data.batch_size=4"
    " --data.test_fraction=0.3 --model.embed_dim=32 --model.num_heads=4 --model.num_blocks=1"
)
_FEW_STEPS = (
    "--trainer.max_steps=4 --checkpoint.every_n_steps=2 --trainer.val_check_interval=4 --data.eval_episodes=1"
    " --data.num_envs=2 --data.train_ratio=2 --data.batch_size=2 --data.length=5 --data.capacity=300"
    " --model.imagined_steps=3"
)

SHORTER = {
    r"^tinyworlds record (?!.*human)": "--frames 300",
    r"^tinyworlds record .*fresh": "--frames 900",
    r"^tinyworlds quickstart": "--frames 300",
    r"^tinyworlds fit (?!.*dreamer)": _FEW_UPDATES,
    r"^tinyworlds fit .*--ckpt_path last": "--trainer.max_steps=4",
    r"^tinyworlds fit .*_tokenizer": "--model.patch_size=8",
    r"^tinyworlds (fit|predict|validate) .*(zelda|sonic)": "--data.skip_frames=0",
    r"^tinyworlds fit .*dreamer": _FEW_STEPS,
    r"^tinyworlds fit .*dreamer_(boxing|doom)": "--data.env_kwargs.max_episode_steps=50",
    r"^tinyworlds episodes": "--episodes 1",
    r"^tinyworlds evaluate": "--num_clips 8",
    r"^tinyworlds evaluate (?!.*fresh)": "--skip_play_test",
    r"^tinyworlds export (models/|doom racing)": "--num_clips 2",
    r"^tinyworlds download": "--source copy",
}
"""What a command looks like, and words that are added to it; of the same option the last counts."""

_ELSEWHERE = {"s3://": "memory://", "site 8000": "site 0"}  # a bucket in memory, any free port

_DISTRIBUTED = "tests/training/test_distributed.py"

NOT_RUN = {
    r"^(uv )?pip install": "changes the packages that the tests run with; .ci/run and .ci/package install",
    r"^(uv (venv|sync)|python3.10 -m venv|source )": "makes an environment; .ci/run does",
    r"^docker ": "needs Docker",
    r"^pytest": "these are the tests",
    r"^git ": "publishes",
    r"^python -c .*build\(\)": "needs a compiler of 400 MB; tests/nn/kernels/test_wasm.py says when",
    r"^ssh ": "needs another machine",
    r"^torchrun ": f"needs eight GPUs; {_DISTRIBUTED} does it with two processes on a CPU",
    r"^(export|srun) ": f"needs SLURM; {_DISTRIBUTED} starts processes with its variables",
    r"^tinyworlds fit .*--trainer.devices 2": f"starts this process again; {_DISTRIBUTED} does it",
    r"^tinyworlds fit .*--find_batch_size": "needs a GPU, as tests/callbacks/test_find_batch_size.py fakes",
    r"^tinyworlds bench": "takes minutes at its shortest; tests/commands/test_bench.py runs all parts, tiny",
    r"^tinyworlds evaluate .*--real": "plays for minutes; tests/evaluation/play_test plays beside a game",
    r"^tinyworlds record procgen/": "its packages are not here; tests/sources/record/test_retro_procgen.py",
}
"""What a command looks like, and why it is not run."""


def shortened(command: str) -> str:
    """The command with the words that make it short."""
    more = [words for pattern, words in SHORTER.items() if re.search(pattern, command)]
    for there, here in _ELSEWHERE.items():
        command = command.replace(there, here)
    return " ".join([command, *more])


def why_not(command: str) -> str | None:
    """Why a command is not run; None where it is."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, command)), None)
