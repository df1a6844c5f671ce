"""Whether networks of three stages belong together, and if not, in which setting they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyworlds.errors import CheckpointError

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


def _check_same(one: str, wanted: dict[str, Any], other: str, found: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise CheckpointError(
                f"{one} and {other} do not belong together: {name} is {value} in the one and {found[name]} "
                "in the other; use checkpoints of one run"
            )
