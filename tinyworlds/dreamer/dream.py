"""An agent's world model as a world to be played: a person acts in it, or the agent does.

It begins with the real game's first picture, and dreams from there until it dreams an end; then the next
step begins anew. Where the real game runs beside it, the game takes the same actions, and its end counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.collector import episode_seed
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.losses import LossSettings
from tinyworlds.dreamer.playing import observed
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.errors import ConfigError
from tinyworlds.sources.record.action_keys import action_keys, idle_action

_OVER = 0.5  # an end that is likelier than this is told
_REWARD = 0.05  # and a reward from this on
_ANEW = "a new episode"


class AgentWorld:
    """What a session of play needs (`tinyworlds.play.view.PlayableWorld`), of an agent that sees pictures.

    Args:
        agent: whose world model is played.
        game: the game that it was trained on; gives the first pictures.
        name: of the game, for titles and files.

    Raises:
        ConfigError: the agent sees no pictures, or its actions are no choices.
    """

    feedback, bf16, compiled = "latent", False, False

    def __init__(self, agent: Agent, game: AgentGame, name: str) -> None:
        if not agent.spaces.frame_size or not agent.spaces.num_actions:
            raise ConfigError(f"{name}: only an agent that sees pictures and chooses actions can be played")
        self.agent, self.game = agent, name
        self._game = game
        self.action_names = tuple(game.action_names)
        self.key_map, self.idle_action = action_keys(self.action_names), idle_action(self.action_names)
        self.num_actions, self.fps = len(self.action_names), game.fps
        self.notes: list[str] = []
        self.said = ""
        self.score = 0.0
        self._steps, self._seed, self._is_over = 0, 0, False
        self._carry = agent.rssm.initial(1, self.device)

    @property
    def device(self) -> torch.device:
        """Where it dreams."""
        return next(self.agent.parameters()).device

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        side = self.agent.spaces.frame_size
        return side, side, 3

    def close(self) -> None:
        """End the game."""
        self._game.close()

    @torch.no_grad()
    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Begin where an episode of the game begins."""
        self._seed = int(np.random.default_rng(seed).integers(2**31)) if seed is None else seed % 2**31
        moment = self._game.reset(self._seed)
        self._steps, self.score, self.said, self._is_over = 0, 0.0, "", False
        start = self.agent.initial_memory(1, self.device)
        first = torch.ones(1, dtype=torch.bool, device=self.device)
        tokens = self.agent.encode(observed(moment, self.device))
        with self._draws():
            self._carry, _ = self.agent.rssm.see(start.carry, start.action, tokens, first)
        assert moment.picture is not None
        return _rgb(moment.picture)

    @torch.no_grad()
    def step(self, action_id: int) -> np.ndarray:
        """Dream one step on; `said` tells a reward or an end that is dreamt. After an end, begin anew."""
        if self._is_over:
            first = self.reset(seed=episode_seed(self._seed, 2, self._steps))
            self.said = _ANEW
            return first
        self._steps += 1
        action = torch.zeros(1, self.num_actions, device=self.device)
        action[0, action_id] = 1
        with self._draws():
            self._carry, _ = self.agent.rssm.step(self._carry, action)
        features = self._carry.features
        reward = float(self.agent.rewards(features))
        over = 1 - float(self.agent.continues(features)) / LossSettings().discount
        self.score += reward
        self.said = f"reward {reward:+.1f}, in all {self.score:.1f}" if abs(reward) >= _REWARD else ""
        if over > _OVER:
            self._is_over = True
            self.said = f"{self.said}; " * bool(self.said) + "the dream says it is over"
        return self._picture()

    @torch.no_grad()
    def choose(self) -> int:
        """The action that the agent would take here."""
        with self._draws(1):
            return int(self.agent.actions.sample(self.agent.actor(self._carry.features)).argmax())

    def _picture(self) -> np.ndarray:
        picture = self.agent.draw(self._carry).picture
        assert picture is not None
        return _rgb((picture[0].movedim(0, -1) * 255).round().to(torch.uint8).cpu().numpy())

    def _draws(self, which: int = 0) -> Any:
        """Draws that depend on the seed and the step alone, so that a log of keys replays a session."""
        return seeded(episode_seed(self._seed, which, self._steps), self.device)


class AgentDream(AgentWorld):
    """The dream alone: it can go back."""

    def state(self) -> tuple[Tensor, Tensor, int, int, float, bool]:
        """Where it stands."""
        return *self._carry, self._steps, self._seed, self.score, self._is_over

    def restore(self, state: tuple[Tensor, Tensor, int, int, float, bool]) -> None:
        """Stand there again."""
        deter, stoch, self._steps, self._seed, self.score, self._is_over = state
        self._carry = Carry(deter, stoch)


class AgentBesideGame(AgentWorld):
    """The dream with the real game beside it, on the same actions from the same start."""

    def __init__(self, agent: Agent, game: AgentGame, name: str) -> None:
        super().__init__(agent, game, name)
        self._seen = np.zeros(self.frame_shape, np.uint8)
        self._real_score = 0.0

    @property
    def beside(self) -> np.ndarray:
        """The game's picture now, as the agent sees it, uint8 ``[H, W, 3]``."""
        return self._seen

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Begin both."""
        self._seen = super().reset(seed=seed)
        self._real_score = 0.0
        return self._seen

    def step(self, action_id: int) -> np.ndarray:
        """Take the action in both; after an end of the game, begin both anew."""
        if self._is_over:
            return super().step(action_id)
        dreamt = super().step(action_id)
        moment = self._game.step(np.eye(self.num_actions, dtype=np.float32)[action_id])
        assert moment.picture is not None
        self._seen, self._is_over = _rgb(moment.picture), moment.last
        self._real_score += moment.reward
        if moment.reward or moment.last:
            ended = ", it is over" if moment.last else ""
            real = f"real game: reward {moment.reward:+g}, in all {self._real_score:g}{ended}"
            self.said = f"{self.said}; " * bool(self.said) + real
        return dreamt


class seeded:
    """A block whose draws come from a seed, and leave the global generator as it was."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._fork = torch.random.fork_rng([device] if device.type == "cuda" else [])
        self._seed = seed

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)


def _rgb(picture: np.ndarray) -> np.ndarray:
    return picture.repeat(3, axis=-1) if picture.shape[-1] == 1 else picture
