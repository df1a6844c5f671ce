"""What holding an action does to the picture, measured: how it moves, how much of it, how bright it gets.

Everything is measured against the calmest action, the one whose pictures change least: balls and enemies
that move whatever is pressed drop out. Where another action undoes what the calmest does, standing still is
the measure instead. Starts are the sample: what differs from start to start is chance, and
`Measured.certainty` says how far a mean is above it, in standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tinyworlds.actions.optical_flow import flow_between, measured_picture

MOVES_PX = 0.5
CERTAIN = 2.5
_FEWEST_STARTS = 4  # with fewer, every frame is a sample
_LEAST_MOTION = 5.0  # pixels * pixels a frame; motion of less counts as little, whatever its direction
_LEAST_ERROR = 0.02


@dataclass(frozen=True)
class Measured:
    """A mean over the starts, and how many standard errors it is away from 0."""

    mean: float
    certainty: float

    @property
    def certain(self) -> bool:
        """Whether it is hardly chance."""
        return abs(self.certainty) >= CERTAIN


@dataclass(frozen=True)
class Effect:
    """What holding one action does, against the calmest one.

    Attributes:
        action: its id.
        right: share of all motion that goes right, -1 (all left) to 1.
        down: the same downwards.
        outwards: share of all motion that goes away from the middle, -1 to 1.
        flow: mean motion of the pixels that move, in pixels of the measured picture a frame: right, down.
        moving: share of the picture that moves, 0 to 1.
        brightness: largest difference of the mean brightness in any of the frames, grey levels.
        change: mean difference of the pictures, grey levels.
        field: mean motion, float32 [h, w, 2].
    """

    action: int
    right: Measured
    down: Measured
    outwards: Measured
    flow: tuple[float, float]
    moving: float
    brightness: Measured
    change: float
    field: np.ndarray


def measure_effects(
    dreams: np.ndarray, dead: Sequence[int] = (), advance: Callable[[int], None] = lambda count: None
) -> tuple[list[Effect], int]:
    """Measure every action on dreams from the same starts.

    Args:
        dreams: uint8 [A, N, T + 1, H, W, 3], see :func:`tinyworlds.actions.dreams.hold_each_action`.
        dead: actions that are no measure for others.
        advance: told of pairs of frames as they are measured, A * N * T together.

    Returns:
        One effect for each action, and the id of the calmest one.
    """
    vectors, trusted, grey = _flows(dreams, advance)
    unrest = np.abs(np.diff(grey, axis=2)).mean((1, 2, 3, 4))  # [A]
    living = [action for action in range(len(dreams)) if action not in dead] or [*range(len(dreams))]
    calmest = min(living, key=lambda action: unrest[action])
    trusted_vectors = vectors * trusted[..., None]
    measure = 0 if _undone(trusted_vectors, calmest, living) else 1
    effects = []
    for action in range(len(dreams)):
        moved = vectors[action] - measure * vectors[calmest]
        kept = trusted_vectors[action] - measure * trusted_vectors[calmest]
        brighter = (grey[action, :, 1:] - grey[calmest, :, 1:]).mean((2, 3))  # [N, T]
        one, other = dreams[[action, calmest], :, 1:].astype(np.int16)
        effects.append(_effect(action, moved, kept, brighter, float(np.abs(one - other).mean())))
    return effects, calmest


def _flows(dreams: np.ndarray, advance: Callable[[int], None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors [A, N, T, h, w, 2], trusted [A, N, T, h, w], and the grey pictures [A, N, T + 1, h, w]."""
    actions, starts, frames = dreams.shape[:3]
    grey = np.stack([measured_picture(frame) for frame in dreams.reshape(-1, *dreams.shape[3:])])
    clips = grey.reshape(actions * starts, frames, *grey.shape[1:])
    flows = []
    for clip in clips:
        flows += [flow_between(before, after) for before, after in pairwise(clip)]
        advance(frames - 1)
    shape = (actions, starts, frames - 1, *grey.shape[1:])
    vectors = np.stack([flow.vectors for flow in flows]).reshape(*shape, 2)
    trusted = np.stack([flow.trusted for flow in flows]).reshape(shape)
    return vectors, trusted, clips.reshape(actions, starts, frames, *grey.shape[1:]).astype(np.float32)


def _effect(action: int, moved: np.ndarray, kept: np.ndarray, brighter: np.ndarray, change: float) -> Effect:
    """Sum up one action; `moved` and `kept` (trusted only) are motions [N, T, h, w, 2], `brighter` [N, T]."""
    right, down, outwards = (_measured(values) for values in _shares(kept))
    length = np.linalg.norm(kept, axis=-1)
    moves = length > MOVES_PX
    flow = kept[moves].mean(0) if moves.any() else np.zeros(2)
    peak = np.abs(brighter.mean(0)).argmax()
    return Effect(
        action=action,
        right=right,
        down=down,
        outwards=outwards,
        flow=(float(flow[0]), float(flow[1])),
        moving=float((np.linalg.norm(moved, axis=-1) > MOVES_PX).mean()),
        brightness=_measured(brighter[:, peak]),
        change=change,
        field=kept.mean((0, 1)).astype(np.float32),
    )


def _shares(motion: np.ndarray) -> list[np.ndarray]:
    """For each sample the share of its motion [N, T, h, w, 2] that goes right, down, and outwards."""
    if len(motion) < _FEWEST_STARTS:
        motion = motion.reshape(-1, 1, *motion.shape[2:])
    length = np.linalg.norm(motion, axis=-1)
    moves = length > MOVES_PX
    total = np.maximum((length * moves).sum((1, 2, 3)), _LEAST_MOTION * motion.shape[1])  # [N]
    along = [motion[..., 0], motion[..., 1], (motion * _outwards(motion.shape[2:4])).sum(-1)]
    return [(part * moves).sum((1, 2, 3)) / total for part in along]


def _outwards(shape: tuple[int, ...]) -> np.ndarray:
    """Unit vectors away from the middle, [h, w, 2]: right, down."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    away = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2], axis=-1)
    return away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)


def _measured(values: np.ndarray) -> Measured:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    mean = float(values.mean())
    return Measured(mean, mean / max(float(error), _LEAST_ERROR))


def _undone(motion: np.ndarray, calmest: int, living: Sequence[int]) -> bool:
    """Whether the calmest action moves the picture one way and another moves it back."""
    ways = [[_measured(values) for values in _shares(motion[action])[:2]] for action in living]
    own = ways[list(living).index(calmest)]
    return any(
        mine.certain and way.certain and mine.mean * way.mean < 0
        for other in ways
        for mine, way in zip(own, other, strict=True)
    )
