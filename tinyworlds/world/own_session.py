"""One loaded world, many players: sessions that share the networks and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyworlds.world.core import World


def own_session(world: World) -> World:
    """Return a world with the networks, start clips and settings of `world`, but its own past and chance.

    No weights are copied. What is played in one is not felt in the other.
    """
    own = type(world)(
        world.tokenizer,
        world.dynamics,
        world.latent_actions,
        info=world.info,
        start_clips=world.start_clips,
        context_frames=world.context_frames,
        feedback=world.feedback,
        precision="bf16" if world.bf16 else "32",
        device=world.device,
        cuda_graphs=world.cuda_graphs,
    )
    own.sampling = world.sampling
    return own
