import numpy as np
import pytest
import torch

from tinyworlds.evaluation.play_test.drift import (
    DRIFT_BANDS,
    TrueFrames,
    frames_of,
    frechet_distance,
    played_keys,
)


def test_frechet_distance_is_that_of_normal_distributions():
    """For diagonal covariances: the means' squared distance, and that of the standard deviations."""
    mean, other = torch.tensor([0.0, 1.0]).double(), torch.tensor([3.0, 1.0]).double()
    one, two = torch.diag(torch.tensor([4.0, 1.0])).double(), torch.diag(torch.tensor([1.0, 9.0])).double()
    assert frechet_distance(mean, one, mean, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(mean, one, other, two) == pytest.approx(9 + (2 - 1) ** 2 + (1 - 3) ** 2)


def test_frechet_distance_of_correlated_ones_does_not_depend_on_the_axes():
    random = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=random, dtype=torch.float64))
    one, two = (torch.diag(torch.tensor(v)).double() for v in ([1.0, 2.0, 3.0], [3.0, 1.0, 5.0]))
    zero = torch.zeros(3).double()
    turned = frechet_distance(zero, rotation @ one @ rotation.T, zero, rotation @ two @ rotation.T)
    assert turned == pytest.approx(frechet_distance(zero, one, zero, two))


def test_what_is_like_true_frames_is_at_the_floor_and_what_is_not_far_above():
    random = torch.Generator().manual_seed(1)
    many, others, few = (torch.randn(n, 32, generator=random) for n in (4000, 1000, 128))
    true = TrueFrames(many)
    floor = true.floor(others, 128)
    assert true.distance(few) == pytest.approx(floor, rel=0.3)
    assert true.distance(few + 1) > 5 * floor
    assert true.distance(0.2 * few) > 5 * floor


def test_each_band_has_the_same_number_of_frames_in_it():
    for first, last in DRIFT_BANDS:
        frames = frames_of((first, last))
        assert len(set(frames)) == 8
        assert first <= min(frames)
        assert max(frames) <= last
    assert DRIFT_BANDS[-1] == (257, 512)


def test_played_keys_are_pieces_of_what_was_recorded():
    segments = np.array([[1, 1, 2], [3, 3, 3]])
    sent = played_keys(segments, 5, 8)
    assert sent.shape == (5, 8)
    pieces = {tuple(row[i : i + 3]) for row in sent for i in (0, 3)}
    assert pieces <= {(1, 1, 2), (3, 3, 3)}
    assert len({tuple(row) for row in sent}) > 1
