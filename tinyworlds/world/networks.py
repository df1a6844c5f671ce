"""The networks of a world: what it asks of each, and how it freezes the weights that somebody else holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.models.maskgit import Dynamics

Module = TypeVar("Module", bound=nn.Module)


def num_parameters(*networks: nn.Module | None) -> int:
    """Numbers that networks have learned."""
    return sum(part.numel() for network in networks if network is not None for part in network.parameters())


class Tokenizer(Protocol):
    """See `tinyworlds.models.VideoTokenizer`."""

    per_frame: bool

    def encode(self, frames: Tensor) -> Tensor:
        """Codes ``[B, T, P]`` of frames ``[B, T, C, H, W]``."""

    def decode(self, ids: Tensor) -> Tensor:
        """Frames of codes."""


class ActionModel(Protocol):
    """See `tinyworlds.models.LatentActionModel`."""

    def encode(self, frames: Tensor) -> Tensor:
        """Actions ``[B, T-1]`` between frames ``[B, T, C, H, W]``."""


class WorldDynamics(Dynamics, Protocol):
    """See `tinyworlds.models.DynamicsModel`."""

    num_actions: int
    context_frames: int

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights, which say where it runs."""


class Trio(NamedTuple):
    """The networks of a world."""

    tokenizer: VideoTokenizer
    dynamics: DynamicsModel
    latent_actions: LatentActionModel | None = None

    @classmethod
    def of(cls, parts: Mapping[str, nn.Module]) -> Trio:
        """The networks by the names that they have in a world."""
        tokenizer, dynamics = parts["tokenizer"], parts["dynamics"]
        latent_actions = parts.get("latent_actions")
        assert isinstance(tokenizer, VideoTokenizer)
        assert isinstance(dynamics, DynamicsModel)
        assert latent_actions is None or isinstance(latent_actions, LatentActionModel)
        return cls(tokenizer, dynamics, latent_actions)


def frozen(network: Module, device: torch.device) -> Module:
    """A network with the weights of `network`, in eval mode and without gradients; that one stays as it was.

    The modules are copies and the weights are not, as long as `network` lies on `device`: where it learns on,
    this one plays with what it has learned. Elsewhere the weights are copied, once. What is compiled of
    `network` is not compiled here.
    """
    return _copy(network, {}).to(device).eval()


def _copy(module: Module, copies: dict[int, Any]) -> Module:
    """Copy a module; what is used twice in a network (`copies`, by identity) is used twice in its copy."""
    if id(module) in copies:
        return copies[id(module)]
    copy = copies[id(module)] = module.__new__(type(module))
    copy.__dict__ = {
        **module.__dict__,
        "_parameters": {name: _shared(each, copies) for name, each in module._parameters.items()},
        "_buffers": dict(module._buffers),
        "_modules": {
            name: None if each is None else _copy(each, copies) for name, each in module._modules.items()
        },
        "_compiled_call_impl": None,
    }
    return copy


def _shared(weight: Tensor | None, copies: dict[int, Any]) -> Tensor | None:
    if weight is None:
        return None
    if id(weight) not in copies:
        copies[id(weight)] = nn.Parameter(weight.detach(), requires_grad=False)
    return copies[id(weight)]
