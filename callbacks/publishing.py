"""Where pictures of a run go: its folder, and the loggers that can show them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from PIL import Image

from tinyworlds.errors import StorageError, VideoError
from tinyworlds.training.run_logger import version_folder

log = logging.getLogger(__name__)


def pictures_folder(trainer: Trainer) -> Path:
    """``pictures`` of the run's version folder; of the default folder where nothing is logged."""
    return version_folder(trainer) / "pictures"


def publish(trainer: Trainer, key: str, picture: Path) -> None:
    """Show a PNG in every logger that takes images; one that fails costs a warning, never the run."""
    for logger in trainer.loggers:
        try:
            experiment: Any = getattr(logger, "experiment", None)
            if hasattr(logger, "log_image"):  # W&B and its kin
                logger.log_image(key=key, images=[str(picture)], step=trainer.global_step)
            elif hasattr(experiment, "add_image"):  # TensorBoard
                pixels = np.asarray(Image.open(picture).convert("RGB"))
                experiment.add_image(key, pixels, trainer.global_step, dataformats="HWC")
        except Exception as error:
            log.warning("%s did not take the picture %s: %s", type(logger).__name__, picture.name, error)


@contextmanager
def harmless() -> Iterator[None]:
    """Turn a full disk or a missing codec into a warning: a picture is no reason to end a training."""
    try:
        yield
    except (StorageError, VideoError) as error:
        log.warning("%s Training goes on without this picture.", error)
