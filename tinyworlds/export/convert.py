"""Checkpoints of any known format into another one.

The ending of what is written says which: ``.world`` (three stages), ``.safetensors``, ``.pth`` or ``.ckpt``
(one stage), or a folder, which gets the layout of the original program,
``OUT/<stage>/checkpoints/<stage>_step_<n>/``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.formats import (
    META_KEY,
    holds_world,
    network_weights,
    read_checkpoint,
    write_stage,
)
from tinyworlds.checkpoints.lightning_io import atomic_save
from tinyworlds.checkpoints.own_networks import CLASS_KEY, needed_code
from tinyworlds.checkpoints.search import Located
from tinyworlds.checkpoints.v1_keys import original_config
from tinyworlds.checkpoints.v1_writing import write_v1_file, write_v1_folder
from tinyworlds.checkpoints.world_search import locate_world
from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.export.build import build_world
from tinyworlds.export.loading import world_from_checkpoints
from tinyworlds.system.shell import shown_command
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import load_world, own_classes, save_world

_STAGE_ENDINGS = (".safetensors", ".pth", ".ckpt")


def convert(
    sources: Sequence[Path],
    out: Path,
    stage: str | None = None,
    data: Sequence[str] = (),
    num_clips: int = 16,
) -> list[str]:
    """Write what is in `sources` in the format that `out` asks for.

    Args:
        sources: checkpoints, folders, or a `.world` file.
        out: what to write; see the module.
        stage: the stage to take where there are several and `out` holds one.
        data: gameplay files for the clips a world starts from.
        num_clips: how many of them, at most.

    Returns:
        Lines that say what was read and written.

    Raises:
        ConfigError: `sources` hold too many or too few stages for `out`.
        CheckpointError: a file is unreadable, or cannot be expressed in the format asked for.
        StorageError: `out` cannot be written.
    """
    if out.suffix != ".world" and data:
        raise ConfigError(f"--data goes with a .world file to write, not with {out}")
    found = locate_world(sources, lambda line: print(line, file=sys.stderr))
    paths = [each.path for each in found.values()]
    if out.exists() and any(out.resolve() == path.resolve() for path in (*sources, *paths)):
        raise ConfigError(f"{out} is read and written at once; write to another file")
    if stage is not None:
        if stage not in found:
            raise ConfigError(f"--stage {stage}: there are {', '.join(found)} only; name another")
        found = {stage: found[stage]}
    read = [f"{name}: {each.path}" for name, each in found.items()]
    if out.suffix == ".world":
        return [*read, _to_world(found, out, data, num_clips)]
    if out.suffix in _STAGE_ENDINGS:
        return [*read, _to_file(found, out)]
    if out.suffix and not out.is_dir():
        raise ConfigError(
            f"'{out.suffix}' is no format to write; use .world, {', '.join(_STAGE_ENDINGS)} or a folder"
        )
    return [*read, *_to_folders(found, out)]


def _to_world(stages: dict[str, Located], out: Path, data: Sequence[str], num_clips: int) -> str:
    first, *others = {found.path for found in stages.values()}
    if data:
        world = build_world(stages, data, num_clips)
    elif not others and holds_world(first):
        world = load_world(first)  # with its keys, names and clips
    else:
        world = world_from_checkpoints(stages, num_clips=num_clips)
    save_world(out, world)
    return written(out, world)


def written(out: Path, world: WorldCore) -> str:
    """Say what a new world file holds and what can be done with it."""
    size = f"wrote {out} ({out.stat().st_size / 2**20:.1f} MB)"
    if not world.start_clips:
        return f"{size}; it has no clips to start from: to play it, add gameplay with --data FILE.h5"
    needs = [needed_code(path) for path in own_classes(world)]
    return "\n".join([f"{size}; play it with: {shown_command('play', out)}", *needs, *world.notes])


def _to_file(stages: dict[str, Located], out: Path) -> str:
    if len(stages) != 1:
        raise ConfigError(
            f"{out.suffix} holds one stage, found {', '.join(stages)}; choose one with --stage, "
            "or write a .world"
        )
    stage, found = next(iter(stages.items()))
    found.network.eval()  # builds it: nothing that cannot be loaded is passed on
    checkpoint = read_checkpoint(found.path, stage=stage)
    if out.suffix == ".safetensors":
        write_stage(out, checkpoint)
    elif out.suffix == ".ckpt":
        atomic_save(checkpoint, out)
    else:
        write_v1_file(out, **_original(stage, checkpoint, {}))
    return f"wrote {out} ({out.stat().st_size / 2**20:.1f} MB)"


def _to_folders(stages: dict[str, Located], out: Path) -> list[str]:
    if out.is_file():
        raise ConfigError(f"{out} is a file; name a folder to write to")
    for found in stages.values():
        found.network.eval()  # builds it, as above
    read = {stage: read_checkpoint(found.path, stage=stage) for stage, found in stages.items()}
    tokenizer = read["video_tokenizer"][META_KEY]["network"] if "video_tokenizer" in read else {}
    contents = [_original(stage, checkpoint, tokenizer) for stage, checkpoint in read.items()]
    folders = [
        out / content["stage"] / "checkpoints" / f"{content['stage']}_step_{content['step']}"
        for content in contents
    ]
    if there := [folder for folder in folders if folder.exists()]:
        raise ConfigError(f"{there[0]} exists already; move it away or write to another folder")
    for folder, content in zip(folders, contents, strict=True):
        write_v1_folder(folder, **content)
    return [f"wrote {folder}" for folder in folders]


def _original(stage: str, checkpoint: dict[str, Any], tokenizer: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint in the words of the original program; settings that it had there before are kept."""
    meta = checkpoint[META_KEY]
    if CLASS_KEY in meta:
        raise CheckpointError(
            f"the original program has no network {meta[CLASS_KEY]}: write .safetensors or .world"
        )
    before = dict(meta.get("settings") or {})
    sizes = {name: before.get(name) or tokenizer.get(name) for name in ("frame_size", "patch_size")}
    config = original_config(stage, meta["network"], **sizes)
    known = {"dataset": (meta.get("game") or "").upper(), "fps": meta.get("fps")}
    config = {**{name: value for name, value in known.items() if value}, **before, **config}
    if meta["network"].get("num_channels", 3) != 3:
        raise CheckpointError(f"the original program reads frames of 3 channels, this {stage} has others")
    step = int(checkpoint.get("global_step", 0))
    return {"stage": stage, "weights": network_weights(checkpoint), "config": config, "step": step}
