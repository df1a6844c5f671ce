"""Reading a picture, of whatever kind, as uint8 RGB; no torch here."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tinyworlds.errors import DataError
from tinyworlds.media.containers import MAX_PIXELS

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
_MOVING = ("PNG", "GIF")  # formats of clips that FFmpeg reads, too; pages of others are no frames


def is_still_picture(path: str | Path) -> bool:
    """Whether a file is a picture for `read_picture`, be it damaged; no video, no GIF or PNG that moves."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                return picture.format not in _MOVING or getattr(picture, "n_frames", 1) == 1
    except UnidentifiedImageError:
        return False
    except Exception:  # Pillow's readers raise whatever they stumble over; reading tells what
        return True


def read_picture(path: str | Path) -> np.ndarray:
    """Return a picture upright, uint8 [H, W, 3]; of an animation the first one, transparent parts as black.

    Raises:
        DataError: it is missing, damaged, no picture, or larger than 8K.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd chunks, and sizes that are checked here
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise DataError(f"it is {picture.width}x{picture.height}, which is more than 8K")
                return _as_rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # Pillow's readers raise whatever they stumble over
        raise DataError(f"{path} is no picture that can be read ({' '.join(str(error).split())})") from error


def _as_rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I"):  # Pillow would cut 16 bits off at 255 instead of scaling them
        grey = np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB"))
    return np.asarray(picture.convert("RGB"))
