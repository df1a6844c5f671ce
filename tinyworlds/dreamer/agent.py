"""The agent's networks: a world model, an actor and a critic that live in it.

After DreamerV3 (https://arxiv.org/abs/2301.04104, 2024). Shapes: B batch, T steps, A action width.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tinyworlds.dreamer.layers import MLP
from tinyworlds.dreamer.networks import PictureDecoder, PictureEncoder
from tinyworlds.dreamer.returns import ReturnScale
from tinyworlds.dreamer.rssm import RSSM, Carry
from tinyworlds.dreamer.sizes import sizes_of
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.models.base import Network
from tinyworlds.nn.two_hot import NUM_BINS, mean_of_bins, symlog

_VECTOR_LAYERS = 3
_ACTOR_LAYERS = _CRITIC_LAYERS = 3
_ACTOR_SCALE = 0.01  # of the last layer when training begins: nearly even chances
SLOW_RATE = 0.02


class Memory(NamedTuple):
    """What an acting agent carries from step to step."""

    deter: Tensor
    stoch: Tensor
    action: Tensor

    @property
    def carry(self) -> Carry:
        """Without the action."""
        return Carry(self.deter, self.stoch)


class Observation(NamedTuple):
    """What is seen: `picture` ``[..., H, W, C]`` uint8 and `vector` ``[..., V]`` float; None for none."""

    picture: Tensor | None = None
    vector: Tensor | None = None


class Drawn(NamedTuple):
    """What the world model expects to be seen: `picture` ``[..., C, H, W]`` in [0, 1], `vector` in symlog."""

    picture: Tensor | None
    vector: Tensor | None


class Agent(Network):
    """World model, actor, critic.

    Args:
        frame_size: Height and width of pictures in px; 0 for none.
        channels: 3 for colour, 1 for grey.
        vector: Numbers seen beside the picture, or alone; 0 for none.
        num_actions: Of which one is chosen; 0 where actions are numbers.
        action_dim: Numbers of an action, each in -1 to 1; 0 where one is chosen.
        preset: Name of its sizes: cpu-tiny, 1m, 12m, 25m, 50m, 100m, 200m or 400m.
        unimix: Share of a uniform distribution in its actions.

    Raises:
        ConfigError: There is nothing to see, not one kind of action, or no such preset.
    """

    def __init__(
        self,
        frame_size: int = 0,
        channels: int = 3,
        vector: int = 0,
        num_actions: int = 0,
        action_dim: int = 0,
        preset: str = "12m",
        unimix: float = 0.01,
    ) -> None:
        super().__init__(locals())
        spaces = Spaces(frame_size, channels, vector, num_actions, action_dim)
        sizes = sizes_of(preset)
        self.spaces, self.sizes, self.actions = spaces, sizes, spaces.actions(unimix)
        self.encoder, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        num_tokens = 0
        if spaces.frame_size:
            picture = PictureEncoder(spaces.frame_size, spaces.channels, sizes)
            self.encoder["picture"], num_tokens = picture, picture.width
            self.decoder["picture"] = PictureDecoder(spaces.frame_size, spaces.channels, sizes)
        if spaces.vector:
            self.encoder["vector"] = MLP(spaces.vector, sizes.units, _VECTOR_LAYERS)
            self.decoder["vector"] = MLP(sizes.feature, sizes.units, _VECTOR_LAYERS, spaces.vector)
            num_tokens += sizes.units
        self.rssm = RSSM(sizes, num_tokens, spaces.action_width)
        feature, units = sizes.feature, sizes.units
        self.reward = MLP(feature, units, 1, NUM_BINS, scale=0.0)
        self.going_on = MLP(feature, units, 1, 1)
        self.actor = MLP(feature, units, _ACTOR_LAYERS, self.actions.num_outputs, scale=_ACTOR_SCALE)
        self.critic = MLP(feature, units, _CRITIC_LAYERS, NUM_BINS, scale=0.0)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.return_scale = ReturnScale()

    def encode(self, seen: Observation) -> Tensor:
        """Tokens ``[..., N]`` of what is seen."""
        tokens = []
        if seen.picture is not None:
            pictures = seen.picture.flatten(0, -4).movedim(-1, 1).float() / 255
            tokens.append(self.encoder["picture"](pictures).unflatten(0, seen.picture.shape[:-3]))
        if seen.vector is not None:
            tokens.append(self.encoder["vector"](symlog(seen.vector.float())))
        return torch.cat(tokens, dim=-1)

    def draw(self, carry: Carry) -> Drawn:
        """What the world model expects to be seen in these states."""
        picture = vector = None
        if "picture" in self.decoder:
            deter, stoch = carry.deter.flatten(0, -2), carry.stoch.flatten(0, -2)
            picture = self.decoder["picture"](deter, stoch).unflatten(0, carry.deter.shape[:-1])
        if "vector" in self.decoder:
            vector = self.decoder["vector"](carry.features)
        return Drawn(picture, vector)

    def value(self, features: Tensor, slow: bool = False) -> Tensor:
        """What the critic expects to earn from states on, ``[...]``."""
        return mean_of_bins((self.slow_critic if slow else self.critic)(features))

    def rewards(self, features: Tensor) -> Tensor:
        """What arriving in states earns, ``[...]``."""
        return mean_of_bins(self.reward(features))

    def continues(self, features: Tensor) -> Tensor:
        """The chance ``[...]`` that states are not the end, times the discount."""
        return torch.sigmoid(self.going_on(features).squeeze(-1).float())

    # ---- acting

    def initial_memory(self, batch: int, device: torch.device | None = None) -> Memory:
        """Before anything was seen."""
        carry = self.rssm.initial(batch, device)
        return Memory(*carry, torch.zeros(batch, self.spaces.action_width, device=device))

    @torch.no_grad()
    def act(
        self, memory: Memory, seen: Observation, first: Tensor, greedy: bool = False
    ) -> tuple[Tensor, Memory]:
        """See, remember, and choose.

        Args:
            memory: From the step before.
            seen: Of every environment, ``[B, ...]``.
            first: ``[B]`` bool, whether an episode begins.
            greedy: Take the likeliest action instead of drawing one.

        Returns:
            Actions ``[B, A]``, and the memory for the next step.
        """
        carry, _ = self.rssm.see(memory.carry, memory.action, self.encode(seen), first)
        outputs = self.actor(carry.features)
        action = self.actions.likeliest(outputs) if greedy else self.actions.sample(outputs)
        return action, Memory(*carry, action)

    @torch.no_grad()
    def imagine(self, start: Carry, steps: int) -> tuple[Carry, Tensor]:
        """Dream on under its own policy.

        Args:
            start: ``[N, ...]``.
            steps: How many.

        Returns:
            Carries ``[N, steps + 1, ...]``, the start first, and ``[N, steps + 1, A]`` what was chosen there;
            the last leads nowhere.
        """
        carries, actions = [start], []
        for _ in range(steps):
            actions.append(self.actions.sample(self.actor(carries[-1].features)))
            carries.append(self.rssm.step(carries[-1], actions[-1])[0])
        actions.append(self.actions.sample(self.actor(carries[-1].features)))
        deter, stoch = (torch.stack(parts, dim=1) for parts in zip(*carries, strict=True))
        return Carry(deter, stoch), torch.stack(actions, dim=1)

    @torch.no_grad()
    def update_slow_critic(self, rate: float = SLOW_RATE) -> None:
        """Let the slow critic follow by a share."""
        for slow, fast in zip(self.slow_critic.parameters(), self.critic.parameters(), strict=True):
            slow.lerp_(fast, rate)
