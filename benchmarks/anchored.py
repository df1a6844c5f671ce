"""How few recorded keys are enough for an anchored action model to read the others.

An action model is trained on a recording of which it may know a share of the keys, and reads held-out
episodes: ``python -m benchmarks.anchored out data/doom_frames.h5``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.command import run
from tinyworlds.actions.naming import infer_actions
from tinyworlds.bench.report import Table
from tinyworlds.checkpoints.search import locate
from tinyworlds.data import H5DataModule
from tinyworlds.data.anchors import ANCHORS_KEY
from tinyworlds.data.held_out import held_out_clips
from tinyworlds.metrics.usage import contingency

_CLIP_FRAMES = 10


def trained(game: str, data: str, share: float, steps: int, seed: int, home: Path) -> tuple[Any, float]:
    """Train the title's action model unless that was done; return it as located, and the seconds it took."""
    from tinyworlds.commands.fit import main
    from tinyworlds.fit.config_files import find_config

    began = time.perf_counter()
    if not home.exists():
        words = [
            f"--config={find_config(f'{game}_latent_actions.yaml', needed=True)}", f"--run={home}",
            f"--data.files={data}", f"--model.label_share={share}", f"--seed_everything={seed}",
            f"--trainer.max_steps={steps}", f"--trainer.val_check_interval={steps}",
        ]  # fmt: skip
        main(words)
    return locate(home, "latent_actions"), time.perf_counter() - began


def read_rightly(found: Any, data: str) -> list[tuple[str, float]]:
    """The share of held-out frames whose action is read rightly, for each action."""
    module = H5DataModule([data], split="episode", num_frames=_CLIP_FRAMES, batch_size=1)
    clips = held_out_clips(module, _CLIP_FRAMES, 1000)
    assert clips.actions is not None
    count, names = found.network.num_actions, module.action_names
    read = torch.from_numpy(infer_actions(found.network.eval(), clips.frames.numpy()))
    table = contingency(read, clips.actions[:, :-1], count, len(names))
    shares = table.diagonal() / table.sum(dim=1)
    return list(zip(names, shares.tolist(), strict=True))


def compare(
    out: str,
    data: str,
    game: str = "doom",
    steps: int = 400,
    seed: int = 0,
    shares: list[float] | None = None,
) -> None:
    """Print how well actions are read by how many keys are known.

    Args:
        out: folder for runs; what is there already is not made again.
        data: a recording with true actions.
        game: the title whose settings are taken.
        steps: updates of the action model.
        seed: of training.
        shares: of the recorded actions that may be known (default: 0.01, 0.025, 0.1 and 1).
    """
    rows = []
    for share in shares or (0.01, 0.025, 0.1, 1.0):
        found, seconds = trained(
            game, data, share, steps, seed, Path(out) / f"share_{share:g}_{steps}_{seed}"
        )
        known = sum(found.info.meta[ANCHORS_KEY]["counts"])
        right = read_rightly(found, data)
        told = ", ".join(f"{name} {part:.2f}" for name, part in right)
        mean = sum(part for _, part in right) / len(right)
        rows.append((f"{share:g}", f"{known:,}", f"{mean:.3f}", told, f"{seconds:.0f}"))
    columns = ("label_share", "known", "read rightly, mean over actions", "by action", "seconds")
    print(Table(f"Anchored action model on {game}, {steps} updates, held-out episodes", columns, tuple(rows)))


if __name__ == "__main__":
    run(compare, "anchored")
