"""Two pictures drawn as one, and taken apart again."""

import numpy as np
import pytest

from tinyworlds.play.panels import PANEL_PX, panel_frame, side_by_side


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (128, 128), (32, 64)])
def test_pixels_come_back_as_they_were(shape):
    frames = [*np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)]
    picture = side_by_side(frames, ["left", "right"])
    for side, frame in enumerate(frames):
        assert np.array_equal(panel_frame(picture, side, shape), frame)


@pytest.mark.parametrize("shape", [(84, 84), (256, 256), (300, 400)])
def test_other_sizes_come_back_as_they_were_drawn(shape):
    frames = [np.full((*shape, 3), value, np.uint8) for value in (50, 200)]
    picture = side_by_side(frames, ["left", "right"])
    for side, value in enumerate((50, 200)):
        panel = panel_frame(picture, side, shape)
        assert panel.shape == (PANEL_PX, PANEL_PX, 3)
        assert np.median(panel) == value
