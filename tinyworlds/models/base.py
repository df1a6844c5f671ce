"""What all networks share: they know their settings, and refuse settings that cannot work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from tinyworlds.errors import ConfigError, DataError, did_you_mean

T = TypeVar("T")


class Network(nn.Module):
    """Base of the three networks.

    Attributes:
        config: The constructor's arguments as builtins, so that ``type(net)(**net.config)`` builds its like.
            A class derived from one of the three adds its own.
    """

    config: dict[str, Any]

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Store the arguments picked by name from `settings`, a constructor's ``locals()``."""
        super().__init__()
        home = next(each for each in type(self).__mro__ if settings.get("__class__") in (None, each))
        names = list(inspect.signature(vars(home)["__init__"]).parameters)[1:]
        self.config = {name: settings[name] for name in names}


def check_positive(**settings: int) -> None:
    """Raise ConfigError unless every setting is at least 1."""
    for name, value in settings.items():
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")


def check_heads(embed_dim: int, num_heads: int) -> None:
    """Raise ConfigError unless the embedding divides into heads of an even width."""
    check_positive(embed_dim=embed_dim, num_heads=num_heads)
    if embed_dim % num_heads or (embed_dim // num_heads) % 2:
        raise ConfigError(
            f"embed_dim {embed_dim} does not divide into num_heads {num_heads} heads of even width:"
            f" make embed_dim a multiple of {2 * num_heads}."
        )


def check_grid(frame_size: int, patch_size: int) -> int:
    """Return the patches per side; raise ConfigError unless the frame divides into patches."""
    check_positive(frame_size=frame_size, patch_size=patch_size)
    if frame_size % patch_size:
        raise ConfigError(
            f"frame_size {frame_size} is not a multiple of patch_size {patch_size}: change one of them."
        )
    return frame_size // patch_size


def check_bins(num_bins: int) -> None:
    """Raise ConfigError unless a latent channel has at least two levels."""
    if num_bins < 2:
        raise ConfigError(f"num_bins must be at least 2, got {num_bins}: one level holds no information.")


def pick(what: str, name: str, choices: Mapping[str, Callable[..., T]]) -> Callable[..., T]:
    """Return ``choices[name]``; raise ConfigError naming the choices if there is none."""
    if name not in choices:
        known = ", ".join(choices)
        raise ConfigError(f"{what} '{name}' is unknown.{did_you_mean(name, choices)} There are: {known}.")
    return choices[name]


def check_frames(frames: Tensor, num_channels: int, frame_size: int) -> None:
    """Raise DataError unless `frames` is ``[B, T, C, H, W]`` of the size a network was built for."""
    wanted = (num_channels, frame_size, frame_size)
    if frames.dim() != 5 or tuple(frames.shape[2:]) != wanted:
        raise DataError(
            f"frames [B, T, C, H, W] with C, H, W = {wanted} are expected, got {tuple(frames.shape)}:"
            " set frame_size to the data's size or resize the data."
        )
