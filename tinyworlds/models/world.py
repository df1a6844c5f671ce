"""The frozen trio as a game: `World.reset` starts a dream, `World.step` takes an action and goes on.

    world = World.load("zelda.world")
    frame = world.reset(seed=0)          # uint8 [H, W, 3]
    frame = world.step(action_id=3)

A world remembers the code ids of its last frames and predicts the codes of the next one; pixels are only
made to be shown. `tinyworlds.models.maskgit` tells how (Genie, section 2.1: dynamics model).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from tinyworlds.data.pixels import frames_to_input, input_to_frames
from tinyworlds.devices import Precision, pick_device, use_bf16
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import maskgit
from tinyworlds.models.world_info import WorldInfo

if TYPE_CHECKING:
    from tinyworlds.models.dynamics import DynamicsModel
    from tinyworlds.models.latent_actions import LatentActionModel
    from tinyworlds.models.video_tokenizer import VideoTokenizer
    from tinyworlds.play.env import WorldEnv

Feedback = Literal["codes", "pixels"]


class World:
    """A learned game that is played frame by frame.

    Args:
        tokenizer: frames to codes and back.
        dynamics: predicts the codes of the next frame.
        latent_actions: infers the actions between given frames; not needed where the dynamics uses labels.
        info: name, rate, keys (see `WorldInfo`).
        start_frames: clips to start from, uint8 [n, T, H, W, 3].
        start_actions: the action ids between their frames, int64 [n, T-1]; inferred when missing.
        context_frames: past frames the dynamics sees; default as it was trained.
        num_steps: MaskGIT decoding steps per frame; more are slower and often sharper.
        temperature: 0 takes the likeliest code, above 0 samples.
        top_k: sample only among the k likeliest codes.
        top_p: sample only among the likeliest codes that together have this probability.
        feedback: ``"codes"`` goes on from the predicted codes, ``"pixels"`` encodes every shown frame again.
        precision: ``"32"``, ``"bf16"`` or ``"auto"`` (bf16 on GPUs that have it); encoding is always in 32
            bit, since rounding would change code ids.
        device: where it runs; ``"auto"`` takes a GPU if there is one.
    """

    def __init__(
        self,
        tokenizer: VideoTokenizer,
        dynamics: DynamicsModel,
        latent_actions: LatentActionModel | None = None,
        *,
        info: WorldInfo | None = None,
        start_frames: np.ndarray | None = None,
        start_actions: np.ndarray | None = None,
        context_frames: int | None = None,
        num_steps: int = 4,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        feedback: Feedback = "codes",
        precision: Precision = "auto",
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = pick_device(device)
        self.info = info or WorldInfo()
        self.tokenizer, self.dynamics, self.latent_actions = (
            None if network is None else network.to(self.device).eval().requires_grad_(False)
            for network in (tokenizer, dynamics, latent_actions)
        )
        self.start_frames, self.start_actions = start_frames, start_actions
        self.context_frames = context_frames or max(dynamics.context_frames - 1, 1)
        self.num_steps, self.temperature, self.top_k, self.top_p = num_steps, temperature, top_k, top_p
        if feedback not in ("codes", "pixels"):
            raise ConfigError(f"feedback is 'codes' or 'pixels', not '{feedback}'")
        self.feedback = feedback
        self.bf16 = use_bf16(self.device, precision)
        self._generator = torch.Generator(self.device)
        self._generator.seed()  # a generator is born with the same seed every time
        self._start_clips = np.random.default_rng()
        self._ids: torch.Tensor | None = None  # [1, T, P], T up to context_frames
        self._actions: torch.Tensor | None = None  # [1, T-1]
        self._pixels: torch.Tensor | None = None  # [1, T, C, H, W], with feedback="pixels" only

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | dict[str, str | os.PathLike[str]],
        device: str | torch.device = "cpu",
        **settings: Any,
    ) -> World:
        """Load a world.

        Args:
            path: a `.world` file, a run folder, or checkpoints by stage, ``{"dynamics": ..., ...}``.
            device: such as ``"cpu"``, ``"cuda"``, ``"auto"``.
            settings: further arguments of `World`, such as `num_steps` or `precision`.

        Raises:
            MissingFileError: nothing is there.
            CheckpointError: the file is truncated, not ours, not finite, or its parts do not fit.
        """
        from tinyworlds import export, world_file  # they build worlds, hence imported late

        if isinstance(path, dict):
            return export.world_from_checkpoints(path, device=device, **settings)
        if os.path.isdir(path):
            return export.world_from_run(path, device=device, **settings)
        return world_file.load_world(path, device=device, **settings)

    # What a player or an evaluation asks about.

    @property
    def num_actions(self) -> int:
        """How many actions there are; ids are 0 ... num_actions - 1."""
        return 1 if self.info.actions == "none" else int(self.dynamics.num_actions)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.info.fps

    @property
    def game(self) -> str:
        """Short name of the title."""
        return self.info.game

    @property
    def key_map(self) -> dict[str, int]:
        """Key name to action id."""
        return self.info.key_map

    @property
    def action_names(self) -> tuple[str, ...]:
        """A name for every action id."""
        given = self.info.action_names
        return tuple(given[i] if i < len(given) else f"action {i}" for i in range(self.num_actions))

    @property
    def idle_action(self) -> int:
        """The action taken while no key is pressed."""
        return self.info.idle_action if 0 <= self.info.idle_action < self.num_actions else 0

    @property
    def frame_size(self) -> int:
        """Side of a frame in pixels."""
        return int(self.tokenizer.config["frame_size"])

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of a frame: (H, W, 3)."""
        return (self.frame_size, self.frame_size, int(self.tokenizer.config.get("num_channels", 3)))

    # Playing.

    @torch.inference_mode()
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
        if seed is not None:
            self._generator.manual_seed(seed)
            self._start_clips = np.random.default_rng(seed)
        if frames is None:
            frames, action_ids = self._draw_start_clip()
        self._check_frames(frames)
        frames = torch.from_numpy(np.ascontiguousarray(frames[-self.context_frames :]))
        pixels = frames_to_input(frames[None].to(self.device))  # [1, T, C, H, W]
        self._ids = self.tokenizer.encode(pixels)
        self._actions = self._past_actions(pixels, action_ids)
        self._pixels = pixels if self.feedback == "pixels" else None
        return input_to_frames(self._decode(self._ids))[0, 0].cpu().numpy()

    @torch.inference_mode()
    def step(self, action_id: int) -> np.ndarray:
        """Take an action and return the next frame, uint8 [H, W, 3].

        Raises:
            ConfigError: the world has no such action, or `reset` has not been called.
        """
        if self._ids is None:
            raise ConfigError("step() was called before reset(): call world.reset() first")
        if not 0 <= action_id < self.num_actions:
            raise ConfigError(f"action {action_id} is not one of this world's: 0 to {self.num_actions - 1}")
        action = torch.full((1, 1), int(action_id), dtype=torch.int64, device=self.device)
        actions = torch.cat([self._actions, action], dim=1)  # [1, T]
        with self._autocast():
            new = maskgit.decode(
                self.dynamics,
                self._ids,
                None if self.info.actions == "none" else actions,
                horizon=1,
                num_steps=self.num_steps,
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                generator=self._generator,
            )  # [1, 1, P]
        ids = torch.cat([self._ids, new], dim=1)
        frame = self._decode(ids)
        self._remember(ids, actions, frame)
        return input_to_frames(frame)[0, 0].cpu().numpy()

    def rollout(
        self, frames: np.ndarray, action_ids: Sequence[int] | np.ndarray, seed: int | None = None
    ) -> np.ndarray:
        """Play a list of actions from given frames.

        Args:
            frames: context, uint8 [T, H, W, 3]; it is not part of what is returned.
            action_ids: the N actions to take.
            seed: of the sampling.

        Returns:
            The predicted frames, uint8 [N, H, W, 3].
        """
        self.reset(frames, seed=seed)
        played = [self.step(int(action))[None] for action in action_ids]
        return np.concatenate([np.zeros((0, *self.frame_shape), np.uint8), *played])

    def as_env(self, max_steps: int | None = None, render_mode: str | None = None) -> WorldEnv:
        """Return this world as a `gymnasium.Env`."""
        from tinyworlds.play.env import WorldEnv

        return WorldEnv(self, max_steps=max_steps, render_mode=render_mode)

    # Inside.

    def _decode(self, ids: torch.Tensor) -> torch.Tensor:
        """Decode the last frame of `ids` [1, T, P] to [1, 1, C, H, W] in [-1, 1]."""
        if self.tokenizer.per_frame:
            ids = ids[:, -1:]
        with self._autocast():
            return self.tokenizer.decode(ids)[:, -1:].float().clamp(-1, 1)

    def _remember(self, ids: torch.Tensor, actions: torch.Tensor, frame: torch.Tensor) -> None:
        if self._pixels is not None:
            self._pixels = torch.cat([self._pixels, frame], dim=1)[:, -self.context_frames :]
            ids = self.tokenizer.encode(self._pixels)
        self._ids = ids[:, -self.context_frames :]
        self._actions = actions[:, actions.shape[1] - (self._ids.shape[1] - 1) :]

    def _past_actions(
        self, pixels: torch.Tensor, action_ids: Sequence[int] | np.ndarray | None
    ) -> torch.Tensor:
        wanted = pixels.shape[1] - 1
        if action_ids is not None:
            given = torch.as_tensor(np.asarray(action_ids, dtype=np.int64).copy(), device=self.device)
            if given.ndim != 1 or len(given) < wanted:
                shape = tuple(given.shape)
                raise DataError(f"{wanted + 1} frames need {wanted} actions between them; got {shape}")
            return given[len(given) - wanted :][None]
        if wanted and self.info.actions == "latent" and self.latent_actions is not None:
            return self.latent_actions.encode(pixels)
        return torch.full((1, wanted), self.idle_action, dtype=torch.int64, device=self.device)

    def _draw_start_clip(self) -> tuple[np.ndarray, np.ndarray | None]:
        if self.start_frames is None or len(self.start_frames) == 0:
            raise DataError("this world stores no start clips: give frames to reset(), uint8 [T, H, W, 3]")
        index = int(self._start_clips.integers(len(self.start_frames)))
        return self.start_frames[index], None if self.start_actions is None else self.start_actions[index]

    def _check_frames(self, frames: np.ndarray) -> None:
        shape, dtype = np.shape(frames), getattr(frames, "dtype", type(frames).__name__)
        if dtype != np.uint8 or len(shape) != 4 or shape[0] < 1 or shape[1:] != self.frame_shape:
            height, width, channels = self.frame_shape
            raise DataError(
                f"this world starts from uint8 frames [T, {height}, {width}, {channels}]; "
                f"got {dtype} {list(shape)}: resize or convert them"
            )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)
