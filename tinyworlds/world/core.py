"""The frozen trio as a game: `reset` starts a dream, `step` takes an action and goes on.

    world = WorldCore(tokenizer, dynamics, latent_actions)
    frame = world.reset(frames)          # uint8 [H, W, 3]
    frame = world.step(action_id=3)

A world goes on from the codes of its last frames, pixels are only made to be shown (`world.dream`;
Genie, section 2.1: dynamics model). `reset_many` and `step_many` play many sessions at once. It knows nothing
of files, of environments and of players: `tinyworlds.World` (`api.py`) joins it with them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from tinyworlds.errors import ConfigError
from tinyworlds.media.pixels import as_pictures, frames_to_input
from tinyworlds.models.maskgit import Sampling
from tinyworlds.nn.devices import Precision, use_bf16
from tinyworlds.world.dream import Dream, DreamState, Feedback
from tinyworlds.world.game import LearnedGame
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.start_clips import StartClips, check_start
from tinyworlds.world.sureness import UsualSureness

if TYPE_CHECKING:
    from tinyworlds.models.dynamics import DynamicsModel
    from tinyworlds.models.latent_actions import LatentActionModel
    from tinyworlds.models.video_tokenizer import VideoTokenizer

_TOLD_REWARD = 0.05

AnyWorld = TypeVar("AnyWorld", bound="WorldCore")


@dataclass(frozen=True)
class WorldState:
    """Where a world stands: see `WorldCore.state`."""

    dream: DreamState
    truth: np.ndarray | None
    chance: Mapping[str, Any]  # of the generator that draws clips


class WorldCore(LearnedGame):
    """A learned game that is played frame by frame.

    The networks given stay as they are: the world plays with frozen ones that share their weights.

    Args:
        tokenizer: frames to codes and back.
        dynamics: predicts the codes of the next frame.
        latent_actions: infers the actions between given frames; not needed where the dynamics uses labels.
        info: name, rate, keys (see `WorldInfo`).
        start_clips: clips to start from; actions that they lack are inferred.
        context_frames: past frames the dynamics sees; default as it was trained.
        num_steps: MaskGIT decoding steps per frame; more are slower and often sharper.
        temperature: 0 takes the likeliest code, above 0 samples.
        top_k: sample only among the k likeliest codes.
        top_p: sample only among the likeliest codes that together have this probability.
        schedule: how many codes each decoding step reveals, see `maskgit.SCHEDULES`.
        feedback: ``"codes"`` goes on from the predicted codes, ``"pixels"`` encodes every shown frame again,
            ``"memory"`` is faster and drifts, see `world.dream.Dream`.
        precision: ``"32"``, ``"bf16"`` or ``"auto"`` (bf16 on GPUs that have it); encoding is always in 32
            bit, since rounding would change code ids.
        device: where it runs; ``"auto"`` takes a GPU if there is one.
        compile: compile what runs in every step with torch.compile, see `compile`: about a minute at the
            first steps, then fewer milliseconds a frame.
        cuda_graphs: on a GPU, capture a step as a CUDA graph and replay it; changes nothing that is seen.
    """

    def __init__(
        self,
        tokenizer: VideoTokenizer,
        dynamics: DynamicsModel,
        latent_actions: LatentActionModel | None = None,
        *,
        info: WorldInfo | None = None,
        start_clips: StartClips | None = None,
        context_frames: int | None = None,
        num_steps: int = 4,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        schedule: str = "exponential",
        feedback: Feedback = "codes",
        precision: Precision = "auto",
        device: str | torch.device = "cpu",
        compile: bool = False,
        cuda_graphs: bool = True,
    ) -> None:
        super().__init__(tokenizer, dynamics, latent_actions, info, start_clips, device)
        self.context_frames = context_frames or dynamics.num_past
        self.feedback = feedback
        sampling = Sampling(num_steps, temperature, top_k, top_p, schedule)
        self._open(sampling, use_bf16(self.device, precision), cuda_graphs)
        if compile:
            self.compile()

    def _open(self, sampling: Sampling, bf16: bool, cuda_graphs: bool) -> None:
        """Open a session: a past and chances that no other session has."""
        self._generator = torch.Generator(self.device)
        self._generator.seed()  # a generator is born with the same seed every time
        self._chance = np.random.default_rng()  # which clip comes next
        self.truth: np.ndarray | None = None
        self.outcomes: tuple[torch.Tensor, torch.Tensor] | None = None
        networks = self.tokenizer, self.dynamics
        self._dream = Dream(
            *networks, sampling, self.context_frames, self.feedback, bf16, self._generator, cuda_graphs
        )

    def session(self: AnyWorld) -> AnyWorld:
        """Return a world with these networks, start clips and settings, but its own past and chance.

        No weights are copied. What is played in one is not felt in the other.
        """
        own = copy.copy(self)
        own._open(self.sampling, self.bf16, self.cuda_graphs)
        return own

    def reset(
        self,
        frames: np.ndarray | None = None,
        action_ids: Sequence[int] | np.ndarray | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Start from given frames, or from one of the stored clips.

        Args:
            frames: uint8 [T, H, W, 3], T >= 1, at this world's rate; only the last `context_frames` are used.
            action_ids: the T-1 actions between them; inferred when missing.
            seed: of the sampling and of the choice of the stored clip.

        Returns:
            The last of the frames as the tokenizer sees it, uint8 [H, W, 3].

        Raises:
            DataError: the frames do not fit, or there are none.
        """
        if frames is None:
            return self.reset_many(1, seed=seed)[0]
        check_start(frames, self.frame_shape)
        given = None if action_ids is None else np.asarray(action_ids, np.int64)[None]
        return self.reset_many(frames[None], given, seed)[0]

    @torch.inference_mode()
    def reset_many(
        self, start: int | np.ndarray, action_ids: np.ndarray | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Start N sessions that `step_many` plays at once.

        Args:
            start: N to draw stored clips, or frames uint8 [N, T, H, W, 3].
            action_ids: [N, T-1], the actions between given frames; inferred when missing.
            seed: of the sampling and of the choice of the stored clips, one for all sessions: they draw in
                turn from one source, so each samples in its own way, and only the whole batch repeats.

        Returns:
            The last frame of each, as the tokenizer sees it, uint8 [N, H, W, 3].

        Raises:
            DataError: the frames do not fit, or there are none.
        """
        if seed is not None:
            self._generator.manual_seed(seed)
            self._chance = np.random.default_rng(seed)
        self.truth = self.outcomes = None
        if isinstance(start, int):
            drawn = self.start_clips.some().draw(self._chance, start)
            if start == 1:
                self.truth = drawn.frames[0, self.context_frames :]
            start, action_ids = drawn.window(self.context_frames)
        check_start(start, self.frame_shape, many=True)
        frames = torch.from_numpy(np.ascontiguousarray(start[:, -self.context_frames :]))
        pixels = frames_to_input(frames.to(self.device))  # [N, T, C, H, W]
        self._dream.start(pixels, self.actions_between(pixels, action_ids))
        past = self._dream.past
        assert past is not None
        return as_pictures(self._dream.picture(past.ids))

    def step(self, action_id: int) -> np.ndarray:
        """Take an action and return the next frame, uint8 [H, W, 3].

        Raises:
            ConfigError: the world has no such action, or `reset` has not been called.
        """
        return self.step_many([action_id])[0]

    @torch.inference_mode()
    def step_many(self, action_ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Take one action in each of the N sessions and return their next frames, uint8 [N, H, W, 3].

        Raises:
            ConfigError: the world has no such action, there are not N of them, or `reset` was not called.
        """
        past = self._dream.past
        if past is None:
            raise ConfigError("step() was called before reset(): call world.reset() first")
        if len(action_ids) != len(past.ids):
            raise ConfigError(f"{len(past.ids)} sessions take as many actions, got {len(action_ids)}")
        for action_id in action_ids:
            if not 0 <= action_id < self.num_actions:
                raise ConfigError(
                    f"action {action_id} is not one of this world's: 0 to {self.num_actions - 1}"
                )
        taken = torch.as_tensor(np.asarray(action_ids, np.int64), device=self.device)
        if self.dynamics.outcomes is not None:
            self.outcomes = self.dynamics.outcomes.tell(past.ids, taken)
        return as_pictures(self._dream.advance(None if self.info.actions == "none" else taken))

    def state(self) -> WorldState:
        """Where the world stands; `restore` goes back to it. Memory of a state: some kilobytes a session."""
        return WorldState(self._dream.state(), self.truth, self._chance.bit_generator.state)

    @torch.inference_mode()
    def restore(self, state: WorldState) -> None:
        """Go on from an earlier `state`: the same actions then lead to the same frames."""
        self._dream.restore(state.dream)
        self.truth, self.outcomes = state.truth, None
        self._chance.bit_generator.state = state.chance

    def reset_near(self, image: np.ndarray) -> np.ndarray:
        """Go on from the stored window of true frames whose last frame is most like `image`.

        A way back where a dream has drifted off. What the tokenizer sees of that frame is returned.

        Args:
            image: uint8 [H, W, 3].

        Raises:
            DataError: the world stores no clips.
        """
        clips = self.start_clips.some()
        length = min(self.context_frames, clips.frames.shape[1])
        clip, place = clips.most_like(image, length)
        shown = self.reset_many(*clips[[clip]].window(length, place))[0]
        self.truth = clips.frames[clip, place + length :]
        return shown

    @property
    def sampling(self) -> Sampling:
        """How frames are decoded; may be replaced between two steps."""
        return self._dream.sampling

    @sampling.setter
    def sampling(self, sampling: Sampling) -> None:
        self._dream.sampling = sampling

    @property
    def said(self) -> str:
        """What a player is told of the step just made: a reward or an end that the world expects, if any."""
        if self.outcomes is None or len(self.outcomes[0]) != 1:
            return ""
        reward, end = (float(part) for part in self.outcomes)
        told = [f"reward {reward:+.1f}"] if abs(reward) >= _TOLD_REWARD else []
        return "; ".join([*told, "the world expects the end"] if end > 0.5 else told)

    @property
    def sureness(self) -> torch.Tensor | None:
        """How sure it was of the frames just made, [N]: see `world.sureness`. None at a start frame."""
        return self._dream.sureness

    @property
    def usual_sureness(self) -> UsualSureness | None:
        """What its sureness is compared with; None where it was not measured as frames are decoded now."""
        usual = self.info.sureness
        return usual if usual is not None and usual.sampling == self.sampling else None

    @property
    def codes(self) -> torch.Tensor | None:
        """What the world remembers: the codes of the last frames, int64 [N, T, P]; None before `reset`."""
        return None if self._dream.past is None else self._dream.past.ids

    @property
    def bf16(self) -> bool:
        """Whether it computes in bfloat16 (but never while encoding); may be changed between two steps."""
        return self._dream.bf16

    @bf16.setter
    def bf16(self, bf16: bool) -> None:
        self._dream.bf16 = bf16
        self._dream.forget()

    def compile(self) -> bool:
        """Compile what runs in every step; the next steps take about a minute, those after them less time.

        What a kernel of our own runs (float32 on a CPU) is left alone: that is faster still.

        Returns:
            Whether there was anything to compile.
        """
        if self._dream.captured is not None:
            self._dream.captured.forget()
        return self._compile(self.bf16)

    @property
    def cuda_graphs(self) -> bool:
        """Whether steps are captured as CUDA graphs where they can be."""
        return self._dream.captured is not None
