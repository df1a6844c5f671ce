"""Where an agent's experience comes from: games stepped by the agent itself, between its updates."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import LightningDataModule

from tinyworlds.checkpoints.run_folder import version_dir_of_checkpoint
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.collector import Collector, Episode
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.losses import Steps
from tinyworlds.dreamer.replay import Places, Replay
from tinyworlds.dreamer.replay_files import ReplayFolder
from tinyworlds.dreamer.tasks import find_task
from tinyworlds.errors import ConfigError
from tinyworlds.training.run_logger import version_folder

_ENDLESS = 1 << 40
_REMEMBERED = 100  # episodes whose scores are told


class Experience(NamedTuple):
    """A batch: windows of steps, and where they lie."""

    steps: Steps
    places: Places


class ReplayDataModule(LightningDataModule):
    """Steps games with the agent that is trained, keeps what happens, and hands out windows of it.

    Args:
        task: A title (doom), a game of a suite (atari_boxing), catch, or a gymnasium id.
        frame_size: Height and width of what the agent sees, in px; None for 64, or the game's own if small.
        grey: Whether it sees without colours; None for as the game shows it.
        observe: What it sees: picture, vector or both; None for the picture, else what there is.
        env_kwargs: Settings of the environment's own.
        num_envs: Games side by side.
        train_ratio: Steps that are trained on for each step that is taken.
        batch_size: Windows of an update; None for the preset's.
        length: Steps of a window that are trained on; None for the preset's.
        capacity: Most steps that are kept; the oldest go.
        prefill: Windows that there must be before training begins; None for `batch_size * length`.
        max_env_steps: Training ends after so many steps of all games; None for no such end.
        eval_episodes: Episodes of a validation.

    Raises:
        ConfigError: A number is out of range.
    """

    def __init__(
        self,
        task: str,
        frame_size: int | None = None,
        grey: bool | None = None,
        observe: str | None = None,
        env_kwargs: dict[str, Any] | None = None,
        num_envs: int = 1,
        train_ratio: float = 256.0,
        batch_size: int | None = None,
        length: int | None = None,
        capacity: int = 100_000,
        prefill: int | None = None,
        max_env_steps: int | None = None,
        eval_episodes: int = 5,
    ) -> None:
        super().__init__()
        self.batch_size, self.length = batch_size or 16, length or 64
        _check(num_envs=num_envs, train_ratio=train_ratio, batch_size=self.batch_size, length=self.length)
        _check(capacity=capacity, eval_episodes=eval_episodes)
        self.asked_task, self.task = task, find_task(task)
        self.game = self.task.name
        self.frame_size, self.grey, self.observe, self.env_kwargs = frame_size, grey, observe, env_kwargs
        self.num_envs, self.train_ratio, self.capacity = num_envs, train_ratio, capacity
        self.prefill = prefill or self.batch_size * self.length
        self.max_env_steps, self.eval_episodes = max_env_steps, eval_episodes
        self.episodes: deque[Episode] = deque(maxlen=_REMEMBERED)
        self.first_scores: list[float] = []  # before the first update: what chance earns
        self.new_episodes: list[Episode] = []
        self._credit = 0.0
        self._filling = True
        self._collector: Collector | None = None
        self._folder: ReplayFolder | None = None
        self._games: list[AgentGame] = []
        self._judged: AgentGame | None = None
        self._waiting: dict[str, Any] | None = None

    # ---- for the stage

    @property
    def env_steps(self) -> int:
        """Steps that all games have taken."""
        return self._collector.num_steps if self._collector is not None else 0

    @property
    def known_env_steps(self) -> int:
        """Those that a checkpoint tells, before its first batch was asked for; else those that were taken."""
        waiting = (self._waiting or {}).get("collector")
        return int(waiting["num_steps"]) if waiting else self.env_steps

    @property
    def frames_per_step(self) -> int:
        """Frames of the game for each step."""
        return self._games[0].frames_per_step if self._games else 1

    @property
    def action_names(self) -> list[str]:
        """Of the actions that the agent chooses from; none before the games are open."""
        return self._games[0].action_names if self._games else []

    @property
    def fps(self) -> float | None:
        """Steps of the agent in a second of the game; None before the games are open."""
        return self._games[0].fps if self._games else None

    @property
    def is_over(self) -> bool:
        """Whether as many steps were taken as were asked for."""
        return self.max_env_steps is not None and self.env_steps >= self.max_env_steps

    @property
    def replay(self) -> Replay:
        """What is kept."""
        assert self._collector is not None
        return self._collector.replay

    def open_game(self) -> AgentGame:
        """A game as the agent is trained on it."""
        return AgentGame(self.task, self.frame_size, self.grey, self.observe, self.env_kwargs)

    @property
    def judged_game(self) -> AgentGame:
        """The game that validation plays, apart from those that are trained on."""
        if self._judged is None:
            self._judged = self.open_game()
        return self._judged

    # ---- Lightning's hooks

    def setup(self, stage: str) -> None:
        """Open the games that are trained on."""
        if stage != "fit" or self._collector is not None or self.trainer is None:
            return
        agent = self._agent()
        replay = Replay(
            agent.spaces, agent.sizes, self.num_envs, self.capacity, self.length + 1, seed=_run_seed()
        )
        if not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._folder = ReplayFolder(version_folder(self.trainer) / "replay")
        size = f"{replay.num_bytes / 2**20:,.0f} MiB"
        print(f"replay: at most {self.capacity:,} steps, {size} in memory and as much on the disk")
        for _ in range(self.num_envs):
            self._games.append(self.open_game())
        self._collector = Collector(self._games, replay, _run_seed(), self._hear)

    def train_dataloader(self) -> ReplayLoader:
        """Windows without end."""
        return ReplayLoader(self)

    def val_dataloader(self) -> list[int]:
        """Numbers of episodes."""
        return [*range(self.eval_episodes)]

    def test_dataloader(self) -> list[int]:
        """Numbers of other episodes than those of validation."""
        return [*range(self.eval_episodes, 2 * self.eval_episodes)]

    def predict_dataloader(self) -> list[int]:
        """The seed of the first episode whose beginning is imagined."""
        return [2_000_000]

    def on_exception(self, exception: BaseException) -> None:
        """End the games: no teardown follows."""
        self.teardown("fit")

    def teardown(self, stage: str) -> None:
        """End the games."""
        for game in [*self._games, *([self._judged] if self._judged is not None else [])]:
            game.close()
        self._games, self._judged, self._collector = [], None, None

    # ---- experience

    def next_batch(self) -> Experience:
        """Step the games as far as the next update is due, and draw windows for it."""
        if self._waiting is not None:
            self._go_on(self._waiting)
            self._waiting = None
        assert self._collector is not None
        agent, replay = self._agent(), self.replay
        share = self.num_envs * self.train_ratio / (self.batch_size * self.length)
        while self._filling or self._credit < 1:
            self._collector.step(agent)
            if not self._filling:
                self._credit += share
            elif replay.num_windows >= self.prefill:
                self._filling, self._credit = False, 1.0
                self.first_scores = self.first_scores or [each.score for each in self.episodes]
        self._credit -= 1
        places = replay.draw(self.batch_size)
        return Experience(replay.windows(places), places)

    def _hear(self, episode: Episode) -> None:
        self.episodes.append(episode)
        self.new_episodes.append(episode)

    def _agent(self) -> Agent:
        assert self.trainer is not None
        network = self.trainer.lightning_module.network
        assert isinstance(network, Agent)
        return network

    # ---- going on after a stop

    def state_dict(self) -> dict[str, Any]:
        """Write the replay beside the checkpoint, and say what goes on from it."""
        if self._collector is None or self._folder is None or self.trainer is None:
            return {}
        return {
            "folder": self._folder.save(self.replay, self.trainer.global_step),
            "collector": self._collector.state(),
            "credit": self._credit,
            "filling": self._filling,
            "first_scores": self.first_scores,
            "episodes": [[each.score, each.length] for each in self.episodes],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take note; the games are led back when the first batch is asked for."""
        self._waiting = state_dict

    def _go_on(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; where its replay is gone, say so and fill it anew."""
        assert self._collector is not None
        assert self.trainer is not None
        missing = "it was saved without one"
        if state and self._folder is not None:
            found = version_dir_of_checkpoint(str(self.trainer.ckpt_path))
            source = found / "replay" if found is not None else Path()
            missing = self._folder.load(self.replay, state["folder"], source) or ""
        if missing:
            self._say(f"no replay to go on from ({missing}): {self.prefill:,} windows are played anew first")
        if state:
            self.first_scores = [float(score) for score in state["first_scores"]]
            self.episodes.extend(Episode(float(score), int(length)) for score, length in state["episodes"])
        if missing:
            if state:
                self._collector.count_on(state["collector"])
            return
        self._credit, self._filling = float(state["credit"]), bool(state["filling"])
        lost = self._collector.restore(state["collector"], next(self._agent().parameters()).device)
        if lost:
            self._say(
                f"{len(lost)} of {self.num_envs} games did not come back to where they stood under the same "
                "seed: they begin a new episode, and training goes on otherwise than without the stop"
            )

    def _say(self, line: str) -> None:
        print(f"agent: {line}", file=sys.stderr)


class ReplayLoader:
    """Batches of :class:`ReplayDataModule`, without end; it goes on where it stood, whenever it is asked."""

    def __init__(self, data: ReplayDataModule) -> None:
        self._data = data

    def __len__(self) -> int:
        return _ENDLESS  # without a length Lightning would draw a batch ahead, one update too early

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the data module tells it all; that there is one tells Lightning to go on exactly."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""

    def __iter__(self) -> Iterator[Experience]:
        while True:
            yield self._data.next_batch()


def _run_seed() -> int:
    return int(os.environ.get("PL_GLOBAL_SEED", 0))


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ConfigError(f"data.{name} must be above 0, got {value:g}.")
