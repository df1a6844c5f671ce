"""Whether networks of three stages belong together, and if not, in which setting they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import CheckpointError

Settings = Mapping[str, Any]

if TYPE_CHECKING:
    from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer


def check_fit(
    tokenizer: VideoTokenizer, dynamics: DynamicsModel, latent_actions: LatentActionModel | None = None
) -> None:
    """Make sure that three networks belong together.

    Raises:
        CheckpointError: frame sizes, patches, codes or actions differ.
    """
    _check_patches(tokenizer, dynamics)
    codes = {name: tokenizer.config[name] for name in ("latent_dim", "num_bins")}
    _check_same("tokenizer", codes, "dynamics", dynamics.config)
    if latent_actions is not None:
        frame_size = {"frame_size": tokenizer.config["frame_size"]}
        _check_same("tokenizer", frame_size, "latent actions", latent_actions.config)
        actions = {"num_actions": dynamics.num_actions}
        _check_same("dynamics", actions, "latent actions", {"num_actions": latent_actions.num_actions})


def _check_patches(tokenizer: VideoTokenizer, dynamics: DynamicsModel) -> None:
    """Dynamics know the number of patches only; what people set is the size of a frame."""
    made, expected, patch_size = tokenizer.num_patches, dynamics.num_patches, tokenizer.config["patch_size"]
    if made != expected:
        side, wanted = round(made**0.5), round(expected**0.5)
        raise CheckpointError(
            f"tokenizer and dynamics do not belong together: the one makes {side}x{side} codes of a frame "
            f"(frame_size {tokenizer.config['frame_size']}, patch_size {patch_size}), the other expects "
            f"{wanted}x{wanted} (frame_size {wanted * patch_size} at that patch_size); "
            "use checkpoints of one run"
        )


def _check_same(one: str, settings: Settings, other: str, others: Settings) -> None:
    for name, (first, second) in differences(settings, others).items():
        raise CheckpointError(
            f"{one} and {other} do not belong together: {name} is {first} in the one and {second} "
            "in the other; use checkpoints of one run"
        )


def check_settings(what: str, settings: Settings, needed: Settings) -> None:
    """Raise a CheckpointError that names every setting that is not as needed."""
    unlike = [
        f"{name} {own} instead of {value}" for name, (value, own) in differences(needed, settings).items()
    ]
    if unlike:
        raise CheckpointError(
            f"{what} does not fit: it has {', '.join(unlike)}; "
            "name another checkpoint or set the same for both"
        )


def differences(settings: Settings, others: Settings) -> dict[str, tuple[Any, Any]]:
    """Return both values of each of `settings` that is another one, or None, in `others`."""
    return {name: (value, others.get(name)) for name, value in settings.items() if others.get(name) != value}
