"""How far a dream is from the game, the longer it goes on: a Fréchet distance in bands of frames.

After "GANs trained by a two time-scale update rule" (Heusel et al. 2017, https://arxiv.org/abs/1706.08500,
section 4), with what a key reader looks at in place of Inception's features, so that nothing is downloaded
and motion counts. The distance of a few samples from many is too large by what their number alone makes of
it, so every band has as many, and true frames of the same number give the floor.

Shapes: N samples, D features, S sessions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tinyworlds.evaluation.play_test.holding import Starts
from tinyworlds.evaluation.play_test.reader import TRIPLE, KeyReader
from tinyworlds.world.core import WorldCore

DRIFT_BANDS = ((1, 16), (17, 32), (33, 64), (65, 128), (129, 256), (257, 512))
"""Frames that are told apart, first and last of each."""

EACH = 8
"""Frames of a session that stand for a band, evenly spaced."""

SHOWN_PLAYED = (1, 8, 32, 128, 512)
"""Frames that pictures show, counted from 1."""

NUM_SHOWN = 4
"""Sessions that pictures show."""

_DIRECTIONS = 16  # those in which true frames differ most; a covariance of more needs more samples
_FLOORS = 8


class TrueFrames:
    """What true frames look like to a reader.

    Args:
        features: of many, float [N, D].
    """

    def __init__(self, features: Tensor) -> None:
        features = features.double()
        self.mean = features.mean(0)
        _, _, directions = torch.linalg.svd(features - self.mean, full_matrices=False)
        self.directions = directions[:_DIRECTIONS].T
        self.moments = _moments(self._project(features))

    def distance(self, features: Tensor) -> float:
        """Fréchet distance of samples [N, D] from them."""
        return frechet_distance(*self.moments, *_moments(self._project(features.double())))

    def floor(self, features: Tensor, count: int) -> float:
        """The mean distance of `count` samples at a time, drawn from other true frames [N, D]."""
        generator = torch.Generator().manual_seed(0)
        draws = [torch.randperm(len(features), generator=generator)[:count] for _ in range(_FLOORS)]
        return float(np.mean([self.distance(features[draw]) for draw in draws]))

    def _project(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.directions


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Squared Fréchet distance of two normal distributions: means [D], covariances [D, D]."""
    root = _root(covariance)
    shared = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    spread = covariance.trace() + other_covariance.trace() - 2 * shared
    return max(float((mean - other_mean).square().sum() + spread), 0.0)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean(0), torch.cov(features.T)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def frames_of(band: tuple[int, int]) -> list[int]:
    """The frames that stand for a band, counted from 1."""
    return np.linspace(*band, EACH).round().astype(int).tolist()


def played_keys(segments: np.ndarray, sessions: int, num_frames: int, seed: int = 0) -> np.ndarray:
    """What people pressed, for as long as is wanted: pieces of recorded play [n, L] -> [S, T]."""
    random = np.random.default_rng(seed)
    pieces = -(-num_frames // segments.shape[1])
    drawn = segments[random.integers(len(segments), size=(sessions, pieces))]
    return drawn.reshape(sessions, -1)[:, :num_frames]


def measure_drift(
    world: WorldCore, reader: KeyReader, looked: tuple[Tensor, Tensor], segments: np.ndarray, starts: Starts,
    progress: Callable[[float], None] | None = None,
) -> tuple[tuple[float, ...], float, Tensor]:  # fmt: skip
    """Play for hundreds of frames as people did; how far what is shown is from true frames, by band.

    Args:
        world: whose networks dream.
        reader: whose features are compared.
        looked: those of true frames, [N, D], and of others that were not trained on.
        segments: pieces of recorded play as actions that the world is sent, int [n, L].
        starts: where each session begins.
        progress: told the share done, 0 to 1.

    Returns:
        The distance in each of `DRIFT_BANDS`, that of other true frames, and frames to show, see `Shown`.
    """
    true = TrueFrames(looked[0])
    num_frames = DRIFT_BANDS[-1][1]
    sent = played_keys(segments, len(starts), num_frames)
    features, pictures = _look_on_the_way(world, reader, starts, sent, progress)
    distances = tuple(true.distance(features[:, b].flatten(0, 1)) for b in range(len(DRIFT_BANDS)))
    floor = true.floor(looked[1], features.shape[0] * features.shape[2])
    return distances, floor, pictures


def _look_on_the_way(
    world: WorldCore, reader: KeyReader, starts: Starts, sent: np.ndarray,
    progress: Callable[[float], None] | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Features of the frames that stand for each band, [S, bands, EACH, D], and frames to show."""
    wanted = sorted({frame for band in DRIFT_BANDS for frame in frames_of(band)})
    session = world.session()
    last = [torch.from_numpy(session.reset_many(starts.frames, starts.actions, seed=0))]
    looked, shown = {}, [last[0][:NUM_SHOWN]]
    for frame, actions in enumerate(sent.T, start=1):
        last = [*last[-2:], torch.from_numpy(session.step_many(actions))]
        if frame in wanted:
            triple = [last[0]] * (TRIPLE - len(last)) + last
            looked[frame] = reader.look(torch.stack(triple, dim=1))
        if frame in SHOWN_PLAYED:
            shown.append(last[-1][:NUM_SHOWN])
        if progress is not None:
            progress(frame / sent.shape[1])
    bands = [torch.stack([looked[frame] for frame in frames_of(band)], dim=1) for band in DRIFT_BANDS]
    return torch.stack(bands, dim=1), torch.stack(shown, dim=1)
