"""What is done to the words of a command before they are parsed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tinyworlds.checkpoints.run_folder import version_dir_of_checkpoint
from tinyworlds.fit.config_files import resolve_config


def config_files_in(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the YAML files named in `argv`."""
    files = [b for a, b in pairwise(argv) if a in ("-c", "--config")]
    return tuple(files + [a.split("=", 1)[1] for a in argv if a.startswith("--config=")])


def with_shipped_configs(argv: list[str]) -> list[str]:
    """Replace configs that are not found from here by the shipped ones of the same name."""
    words = list(argv)
    for i, word in enumerate(words):
        if i > 0 and words[i - 1] in ("-c", "--config"):
            words[i] = resolve_config(word)
        elif word.startswith("--config="):
            words[i] = f"--config={resolve_config(word.split('=', 1)[1])}"
    return words


def saved_config(argv: list[str]) -> Path | None:
    """Return the configuration saved beside a checkpoint, when only ``--ckpt_path`` is given."""
    if any(
        word.split("=")[0] in ("-c", "--config", "--model", "--model.class_path", "-h", "--help")
        for word in argv
    ):
        return None
    paths = [b for a, b in pairwise(argv) if a == "--ckpt_path"]
    paths += [a.split("=", 1)[1] for a in argv if a.startswith("--ckpt_path=")]
    folder = version_dir_of_checkpoint(paths[-1]) if paths else None
    saved = folder / "config.yaml" if folder is not None else None
    return saved if saved is not None and saved.is_file() else None


def without_ckpt_path(argv: list[str]) -> list[str]:
    """Drop ``--ckpt_path X`` and ``--ckpt_path=X``."""
    kept, skip = [], False
    for word in argv:
        if not skip and not word.startswith("--ckpt_path"):
            kept.append(word)
        skip = word == "--ckpt_path"
    return kept
