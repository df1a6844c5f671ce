"""What the action model finds where the player mostly does nothing.

Its assignment gives every latent action as many transitions, so it leans on actions that are used evenly;
people rest most of the time. The same game is recorded with a growing share of idleness, an action model is
trained on each, and its actions are measured on held-out episodes:
``python -m benchmarks.idle_play idle`` (real Doom, needs the extra "games").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import run
from tinyworlds.actions.matching import idle_from_names, match_actions
from tinyworlds.actions.naming import infer_actions
from tinyworlds.bench.report import Table
from tinyworlds.checkpoints.search import locate
from tinyworlds.data import H5DataModule
from tinyworlds.data.gameplay import training_samples
from tinyworlds.data.held_out import held_out_clips
from tinyworlds.errors import ConfigError, listed
from tinyworlds.metrics.episodes import over_episodes
from tinyworlds.metrics.usage import MIN_SHARE, contingency, table_nmi

HOLD = 5.0  # frames, as in the quickstart


class RestingPolicy:
    """Does nothing in a share of the frames, and holds one of the other actions in the rest.

    Args:
        names: of the game's actions.
        idle_share: of the frames, 0 to 1.
        seed: of the random numbers.
    """

    def __init__(self, names: tuple[str, ...], idle_share: float, seed: int) -> None:
        idle = idle_from_names(names)
        if idle is None:
            raise ConfigError(f"none of {listed(names)} is known to do nothing")
        self._odds = np.full(len(names), (1 - idle_share) / (len(names) - 1))
        self._odds[idle] = idle_share
        self._random = np.random.default_rng(seed)
        self._action = idle

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action for this frame, which is not looked at."""
        if self._random.random() < 1 / HOLD:
            self._action = int(self._random.choice(len(self._odds), p=self._odds))
        return self._action


def recorded(game: str, idle_share: float, frames: int, seed: int, folder: Path) -> Path:
    """Record the game anew unless that was done; return the file."""
    from games.registry import get
    from tinyworlds.sources.record.record import record

    spec, path = get(game), folder / f"{game}_{idle_share:.0%}_idle.h5".replace("%", "")
    if not path.exists():
        policy = RestingPolicy(spec.action_names, idle_share, seed)
        record(
            spec.env_id or "", path, frames, policy, size=spec.frame_size, frame_skip=spec.frame_skip,
            actions=spec.record_actions, crop=spec.crop, seed=seed,
        )  # fmt: skip
    return path


def trained(game: str, data: Path, num_actions: int, steps: int, seed: int, home: Path) -> Any:
    """Train the title's action model on a file unless that was done; return it."""
    from tinyworlds.commands.fit import main
    from tinyworlds.fit.config_files import find_config

    if not home.exists():
        words = [
            f"--config={find_config(f'{game}_latent_actions.yaml', needed=True)}", f"--run={home}",
            f"--data.files={data}", f"--model.num_actions={num_actions}", f"--trainer.max_steps={steps}",
            f"--seed_everything={seed}",
        ]  # fmt: skip
        main(words)
    return locate(home, "latent_actions").network.eval()


def measured(model: Any, data: Path, seed: int) -> tuple[str, ...]:
    """Held-out NMI, latent actions in use, and for each true action the share of the latent one it is on."""
    module = H5DataModule([str(data)], split="episode", num_frames=4, batch_size=1, seed=seed)
    samples = training_samples(module, 256)
    names, count = module.action_names, model.num_actions
    match = match_actions(
        samples["actions"].numpy()[:, :-1], infer_actions(model, samples["frames"].numpy()), names, count
    )
    clips = held_out_clips(module, 4, 400)
    assert clips.actions is not None
    latent, true = torch.from_numpy(infer_actions(model, clips.frames.numpy())), clips.actions[:, :-1]
    tables = torch.stack(
        [contingency(one, other, count, len(names)) for one, other in zip(latent, true, strict=True)]
    )
    nmi, table = over_episodes(tables, clips.episodes, table_nmi), tables.sum(0)
    used = int((table.sum(0) / table.sum() >= MIN_SHARE).sum())
    told = []
    for action, name in enumerate(names):
        on = match.latent_of_true.get(action)
        told.append(f"{name} {table[action, on] / table[:, on].sum():.0%}" if on is not None else f"{name} -")
    idle = table[idle_from_names(names)].sum() / table.sum()
    return f"{idle:.0%}", f"{nmi.value:.2f} ± {nmi.half_width:.2f}", f"{used} of {count}", ", ".join(told)


def compare(
    out: str, game: str = "doom", frames: int = 12_000, steps: int = 400, seed: int = 0,
    shares: list[float] | None = None, num_actions: list[int] | None = None,
) -> None:  # fmt: skip
    """Print what the action model finds by how much of the play is idle.

    Args:
        out: folder for recordings and runs; what is there already is not made again.
        game: a title that can be recorded live.
        frames: to record for each share.
        steps: updates of the action model.
        seed: of recordings and training.
        shares: of the frames in which nothing is done (default: 0.25 and 0.85).
        num_actions: latent actions (default: 4 and 16).
    """
    folder, rows = Path(out), []
    for share in shares or (0.25, 0.85):
        data = recorded(game, share, frames, seed, folder)
        for count in num_actions or (4, 16):
            home = folder / f"{data.stem}_{count}_actions"
            rows.append((str(count), *measured(trained(game, data, count, steps, seed, home), data, seed)))
    columns = ("latent actions", "idle", "NMI, held out", "in use", "share of its latent action's uses")
    print(Table(f"Action model on {game}, {frames:,} frames, {steps} updates", columns, tuple(rows)))


if __name__ == "__main__":
    run(compare, "idle_play")
