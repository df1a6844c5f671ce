"""Running ``tinyworlds fit|validate|test|predict``, and saying in one line how it ended."""

from __future__ import annotations

import json
import sys
import traceback
import warnings

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks.saving import TrainingInterrupted, quiet_lightning
from tinyworlds.errors import CheckpointError, ConfigError, TinyWorldsError, TrainingError
from tinyworlds.fit.cli import StageCLI
from tinyworlds.fit.help import help_text
from tinyworlds.fit.saved_config import saved_settings
from tinyworlds.fit.words import (
    check_words,
    config_files_in,
    saved_config,
    with_joined_files,
    with_shipped_configs,
    without_ckpt_path,
)
from tinyworlds.system.documents import read_yaml
from tinyworlds.system.exits import INTERRUPTED, TERMINATED
from tinyworlds.system.processes import end_with_parent
from tinyworlds.system.shell import shown_command
from tinyworlds.training.peers import is_loss_of_a_peer
from tinyworlds.training.strategies import prepare_windows

OTHER_SETUPS = (
    ".*does not have many workers.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*You defined a `validation_step` but have no `val_dataloader`.*",
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*`max_epochs` was not set.*",
    ".*GPU available but not used.*",
    ".*Starting from v1.9.0, `tensorboardX`.*",
    ".*Cannot dispatch to fused.*",
    ".*callbacks used to create the checkpoint need to be provided.*",
    ".*WeightAveraging callback with a model that overrides the configure_model.*",  # refused in Stage
)
"""Advice that does not apply: a CPU has few workers to offer, and step-counted runs have no epochs."""


def run(subcommand: str, argv: list[str]) -> int:
    """Run one of Lightning's subcommands and return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    if argv[-1:] in (["-h"], ["--help"]):
        print(help_text(subcommand, argv[:-1]))
        return 0
    if argv[-2:] == ["--help", "all"]:
        argv = argv[:-1]
    parent = end_with_parent()
    quiet_lightning()
    prepare_windows()
    argv = with_joined_files(argv)
    by_train = parent is not None  # which puts what is for one stage behind what is for all
    check_words(argv, say_repeated=not by_train)
    for file in config_files_in(with_shipped_configs(argv)):
        if not read_yaml(file):  # its size, aliases written out, before another reader writes them out
            raise ConfigError(f"{file} is empty: it holds no setting")
    saved, words = saved_config(argv), with_shipped_configs(argv)
    argv = words if saved is None else ["--config", str(saved), *words]
    if saved is not None:
        given = [word[2:].split("=")[0] for word in words if word.startswith("--")]
        words = [f"--config={json.dumps(saved_settings(saved, given))}", *words]
    try:
        with warnings.catch_warnings():
            for message in OTHER_SETUPS:
                warnings.filterwarnings("ignore", message=message)
            StageCLI(subcommand, words, parent)
    except TrainingInterrupted as stop:
        return _interrupted(stop, subcommand, argv)
    except MisconfigurationException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"a file that is named where settings belong is no text ({error.reason})") from None
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            "the GPU's memory is full; lower --data.batch_size and raise --trainer.accumulate_grad_batches, "
            "or find the largest batch with --find_batch_size true"
        ) from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_loss_of_a_peer(error):
            raise TrainingError(
                "another process of this training has ended; see what it said, then go on: --ckpt_path last"
            ) from error
        if isinstance(error, TinyWorldsError) or not _is_restoring(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(
            f"the checkpoint cannot be gone on from ({reason}): what it says of the state of training is "
            "damaged, or from other callbacks; use another"
        ) from error
    except SIGTERMException:  # a SystemExit without a code, which would read as success
        return _terminated(subcommand, argv)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return int(stop.code or 0)
    return 0


def _is_restoring(error: Exception) -> bool:
    """Whether Lightning was restoring a checkpoint, in which anything may be written."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    here = [frame for frame in frames if "checkpoint_connector" in frame.f_code.co_filename]
    return any(frame.f_code.co_name.startswith(("resume_start", "restore")) for frame in here)


def _interrupted(stop: TrainingInterrupted, subcommand: str, argv: list[str]) -> int:
    words = without_ckpt_path(argv)
    where = (
        f"saved {stop.checkpoint}; go on" if stop.checkpoint is not None else "nothing was saved; start again"
    )
    go_on = ["--ckpt_path", "last"] if stop.checkpoint is not None else []
    print(f"interrupted, {where} with: {shown_command(subcommand, *words, *go_on)}", file=sys.stderr)
    return INTERRUPTED


def _terminated(subcommand: str, argv: list[str]) -> int:
    command = shown_command(subcommand, *without_ckpt_path(argv), "--ckpt_path", "last")
    print(f"ended by SIGTERM; go on with: {command}", file=sys.stderr)
    return TERMINATED
