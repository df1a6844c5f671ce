"""What an update and a step of the agent cost: ours beside a plain reading of the paper, in turn.

An update is loss, gradient, optimizer and the slow critic's step, on the same windows, without Lightning's
loop. Steps of games are timed apart, and then what a training comes to that takes `ratio` trained steps for
each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from tinyworlds.bench.pairing import Pairing, pair
from tinyworlds.bench.reference_dreamer import PlainLaProp, plain_agent, plain_loss
from tinyworlds.bench.report import REFERENCE, Table, in_digits, ratio_cell, time_cells
from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.captured import CapturedLoss
from tinyworlds.dreamer.collector import Collector
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.losses import LossSettings, Steps, agent_loss
from tinyworlds.dreamer.optimizer import LaProp
from tinyworlds.dreamer.replay import Replay
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.dreamer.tasks import find_task

OURS = "ours"
CAPTURED = "ours, captured"
PRESET = "cpu-tiny"
RATIO, NUM_ENVS = 32, 8
"""Of configs/dreamer_catch.yaml."""
_PRODUCTS = ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::mv", "convolution")
_PROFILED = 5
_TAKEN = 200


@dataclass(frozen=True)
class AgentFigures:
    """Updates and steps of one agent.

    Attributes:
        frame_size: of its pictures, in px.
        batch: windows of an update, and steps of each.
        times: seconds of an update.
        products: share of our update spent in matrix products and convolutions.
        rest: the ten other operations that take most of it, and their shares.
        env_steps: steps a second of all games together, with the live policy.
    """

    frame_size: int
    batch: tuple[int, int]
    times: Pairing
    products: float
    rest: dict[str, float]
    env_steps: float

    def training(self, name: str) -> tuple[float, float]:
        """Updates and steps a second of a training that does both."""
        trained = self.batch[0] * self.batch[1]
        seconds = self.times.timing(name).median + trained / RATIO / self.env_steps
        return 1 / seconds, trained / RATIO / seconds

    def tables(self) -> list[Table]:
        """Return one table: times of an update, and what training comes to."""
        rows = []
        for name in self.times.seconds:
            updates, steps = self.training(name)
            cells = (*time_cells(self.times, name), ratio_cell(self.times, REFERENCE, name))
            rows.append((name, *cells, in_digits(updates), in_digits(steps)))
        windows, length = self.batch
        title = (
            f"Updates of the agent, {PRESET}: {self.frame_size} px, {windows} windows of {length} steps "
            f"({self.times.rounds} rounds in turn)"
        )
        columns = ("", "an update", "10-90 %", "times reference", "updates/s", "steps/s")
        rest = ", ".join(f"{name} {share:.0%}" for name, share in self.rest.items())
        told = (
            f"updates/s and steps/s of a training with {RATIO} trained steps for each taken; the games alone "
            f"make {in_digits(self.env_steps)} steps/s with {NUM_ENVS} side by side",
            f"ours: {self.products:.0%} of an update in matrix products and convolutions; the rest: {rest}",
        )
        return [Table(title, columns, tuple(rows), told)]

    def to_dict(self) -> dict[str, Any]:
        """Seconds of an update; rates and shares."""
        return {
            "preset": PRESET,
            "frame_size": self.frame_size,
            "batch": list(self.batch),
            "products": self.products,
            "rest": self.rest,
            "env_steps_per_second": self.env_steps,
            "training": {name: self.training(name) for name in self.times.seconds},
        } | self.times.to_dict(against=[REFERENCE])


def measure(frame_size: int, device: torch.device, rounds: int, seconds: float) -> AgentFigures:
    """Time updates of the small agent on pictures of a size, and steps of Catch with it."""
    torch.manual_seed(0)
    agent = Agent(frame_size=frame_size, channels=1, num_actions=3, preset=PRESET).to(device)
    windows, length = (int(agent.sizes.changes[name]) for name in ("batch_size", "length"))
    steps = made_up_steps(agent, windows, length, device)
    contestants = {REFERENCE: plain_update(plain_agent(agent), steps), OURS: our_update(agent, steps)}
    if device.type == "cuda":
        replayed = copy.deepcopy(agent)
        contestants[CAPTURED] = our_update(replayed, steps, CapturedLoss(replayed, LossSettings()))
    wait = torch.cuda.synchronize if device.type == "cuda" else None
    times = pair(contestants, rounds, seconds, 2, wait)
    products, rest = shares(contestants[OURS])
    playing = copy.deepcopy(agent) if frame_size == 16 else Agent(16, 1, num_actions=3, preset=PRESET)
    return AgentFigures(frame_size, (windows, length), times, products, rest, env_steps(playing.to(device)))


def made_up_steps(agent: Agent, windows: int, length: int, device: torch.device) -> Steps:
    """Windows as the replay gives them, of noise; an episode has eight steps."""
    shape, spaces = (windows, length + 1), agent.spaces
    side = spaces.frame_size
    first = (torch.arange(length + 1) % 8 == 0).expand(shape).clone()
    last = (torch.arange(length + 1) % 8 == 7).expand(shape).clone()
    classes = torch.randint(agent.sizes.num_classes, (*shape, agent.sizes.num_latents))
    steps = Steps(
        Observation(torch.randint(0, 256, (*shape, side, side, spaces.channels), dtype=torch.uint8), None),
        F.one_hot(torch.randint(spaces.num_actions, shape), spaces.num_actions).float(),
        torch.randn(shape) * last,
        first,
        last,
        last,
        Carry(
            torch.rand(*shape, agent.sizes.deter) - 0.5,
            F.one_hot(classes, agent.sizes.num_classes).float().flatten(-2),
        ),
    )
    return move_data_to_device(steps, device)


def our_update(agent: Agent, steps: Steps, captured: CapturedLoss | None = None) -> Callable[[], float]:
    """One update of ours; with a captured loss as training on a GPU replays it."""
    params = [param for param in agent.parameters() if param.requires_grad]
    optimizer, settings = LaProp(params, 1e-3), LossSettings()

    def update() -> float:
        optimizer.zero_grad()
        outcome = agent_loss(agent, steps, settings) if captured is None else captured(steps)
        loss = outcome.loss
        loss.backward()
        optimizer.step()
        agent.update_slow_critic()
        return float(loss.detach())

    return update


def plain_update(agent: Agent, steps: Steps) -> Callable[[], float]:
    """One update of a plain agent."""
    params = [param for param in agent.parameters() if param.requires_grad]
    optimizer, settings = PlainLaProp(params, 1e-3), LossSettings()

    def update() -> float:
        optimizer.zero_grad()
        loss = plain_loss(agent, steps, settings)
        loss.backward()
        optimizer.step()
        agent.update_slow_critic()
        return float(loss.detach())

    return update


def shares(update: Callable[[], float]) -> tuple[float, dict[str, float]]:
    """Of the time that the profiler counts in operations: the share of products, and what else takes most."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(_PROFILED):
            update()
    taken = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    whole = sum(taken.values())
    products = {key for key in taken if any(name in key for name in _PRODUCTS) and key.startswith("aten::")}
    others = sorted((key for key in taken if key not in products), key=lambda key: -taken[key])[:10]
    return sum(taken[key] for key in products) / whole, {key: taken[key] / whole for key in others}


def env_steps(agent: Agent) -> float:
    """Steps a second that games and policy make together."""
    games = [AgentGame(find_task("catch")) for _ in range(NUM_ENVS)]
    replay = Replay(agent.spaces, agent.sizes, NUM_ENVS, 10_000, 17)
    collector = Collector(games, replay)
    try:
        collector.step(agent)
        start = perf_counter()
        for _ in range(_TAKEN):
            collector.step(agent)
        return _TAKEN * NUM_ENVS / (perf_counter() - start)
    finally:
        for game in games:
            game.close()
