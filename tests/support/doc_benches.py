"""What a page of the documentation supposes: recordings, runs, worlds, weights, under the page's names.

All pages find Doom as the quickstart leaves it: a short recording, a run of some updates, `doom.world`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import h5py
import numpy as np
from doc_pages import commands
from doc_shell import Shell
from gameplay_files import write_gameplay, write_public_style
from paths import PARITY, ROOT
from PIL import Image

from tinyworlds.media.video import save_video


def supply(page: str, shell: Shell) -> None:
    """Put into the current folder what a page supposes beside Doom."""
    if page in _SUPPOSED:
        _SUPPOSED[page](shell)


def frames() -> np.ndarray:
    """The recorded frames, uint8 [N, H, W, 3]."""
    with h5py.File("data/doom_frames.h5") as file:
        return file["frames"][:]


def copy(source: str | Path, *names: str) -> None:
    """Copy a file or a folder, under each of the names."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if Path(source).is_dir() else shutil.copy)(source, name)


def _must(shell: Shell, *lines: str) -> None:
    for line in lines:
        ended = shell.run(line)
        assert ended.code == 0, f"{line}\n{ended.said}"


def _videos(_: Shell) -> None:
    Path("my_gameplay").mkdir()
    save_video("my_gameplay/first.mp4", frames(), 15.0, scale=2)


def _zelda(_: Shell) -> None:
    Path("data/zelda").mkdir()
    write_gameplay(Path("data/zelda_frames.h5"), size=128)
    write_gameplay(Path("data/zelda/zelda_1.h5"), size=128, seed=1)
    fsspec.filesystem("memory").pipe("/bucket/zelda/part_7.h5", Path("data/zelda/zelda_1.h5").read_bytes())


def _zelda_run(shell: Shell) -> None:
    _zelda(shell)
    _must(shell, "tinyworlds train zelda")


def _mygame(shell: Shell) -> None:
    _zelda(shell)
    _videos(shell)
    _must(shell, "tinyworlds ingest my_gameplay --game mygame --fps 15")


def _with_and_without_keys(_: Shell) -> None:
    write_public_style(Path("videos.h5"), size=64)
    write_gameplay(Path("played.h5"), size=64)


def _sonic(_: Shell) -> None:
    """Weights of the original program, of the published sizes, and gameplay."""
    _weights("models/sonic")
    write_gameplay(Path("data/sonic_frames.h5"), num_episodes=4, episode_length=60, size=64)


def _weights(folder: str) -> None:
    for path in (PARITY / "sonic_size").glob("*.pth"):
        copy(path, f"{folder}/{path.name.replace('pong', 'sonic')}")


def _checkpoints(shell: Shell) -> None:
    _sonic(shell)
    weights = PARITY / "sonic_size"
    tokenizer, actions, dynamics = (
        next(weights.glob(f"*{stage}*")) for stage in ("video_tokenizer", "latent_actions", "dynamics")
    )
    copy(tokenizer, "tokenizer.pth", "old.pth", "A", "sonic_video_tokenizer_step_40000.pth")
    copy(actions, "actions.pth", "B")
    copy(dynamics, "dynamics.pth", "C")
    copy("models/sonic", "results/2025_09_17_06_20_26")
    copy("lightning_logs/doom", "lightning_logs/zelda")
    copy("lightning_logs/doom/video_tokenizer/version_0/checkpoints/last.ckpt", "other/last.ckpt")
    _must(shell, "tinyworlds convert actions.pth actions.safetensors")
    _must(shell, "tinyworlds convert dynamics.pth original")
    (folder,) = Path("original/dynamics/checkpoints").iterdir()
    copy(folder, "dynamics_step_300")


def _play(shell: Shell) -> None:
    _sonic(shell)
    _must(shell, "tinyworlds export models/sonic sonic.world --data data/sonic_frames.h5")
    Image.fromarray(frames()[0]).save("picture.png")
    _must(shell, "tinyworlds play doom.world --headless --keys d*5 --record --out x.mp4")
    (log,) = Path("recordings").glob("*.json")
    log.rename("recordings/doom_20261121_135500_123.json")


def _downloads(_: Shell) -> None:
    """The repositories, copied into a folder."""
    _weights("copy/sonic")
    for name in ("sonic", "zelda"):
        write_gameplay(Path(f"copy/{name}_frames.h5"), num_episodes=5, size=64)
    copy("doom.world", "copy/zelda/zelda.world")


def _dreamer(shell: Shell) -> None:
    """A world of Catch, as another page makes it, and an agent of Doom beside the world of it."""
    _must(shell, *commands(ROOT / "docs" / "environments.md")[:3])
    shutil.rmtree("lightning_logs")
    _must(shell, "tinyworlds fit --config configs/dreamer_doom.yaml --model.preset cpu-tiny")


_SUPPOSED: dict[str, Callable[[Shell], None]] = {
    "actions": _with_and_without_keys,
    "checkpoints": _checkpoints,
    "commands": _zelda_run,
    "downloads": _downloads,
    "dreamer": _dreamer,
    "environments": lambda _: (
        copy("doom.world", "before.world", "after.world", "zelda.world"),
        copy("lightning_logs/doom", "lightning_logs/zelda"),
    ),
    "minutes": _mygame,
    "play": _play,
    "scale": _zelda,
    "videos": _videos,
    "web": lambda _: copy("lightning_logs/doom", "lightning_logs/breakout"),
}
