"""Optical flow of drawn patterns whose motion is known."""

import cv2
import numpy as np
import pytest

from tinyworlds.actions.optical_flow import WORK_PX, flow_between, measured_picture


def texture(size=64, seed=0, blur=2.0):
    noise = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), blur), None, 0, 255, cv2.NORM_MINMAX)


def inner(values, border=12):
    return values[border:-border, border:-border]


@pytest.mark.parametrize("way", [(3, 0), (-3, 0), (0, 2), (0, -5), (4, -2)])
def test_a_shifted_picture(way):
    large = texture(96)
    right, down = way
    before, after = large[16:80, 16:80], large[16 - down : 80 - down, 16 - right : 80 - right]
    flow = flow_between(np.ascontiguousarray(before), np.ascontiguousarray(after))
    assert np.allclose(np.median(inner(flow.vectors), axis=(0, 1)), way, atol=0.2)
    assert inner(flow.trusted).mean() > 0.95


@pytest.mark.parametrize("way", [(0, 7), (0, -7), (6, 0), (-6, 0)])
def test_a_sprite_of_two_pixels_that_jumps_three_widths(way):
    right, down = way
    before, after = np.full((2, 64, 64), 80, np.uint8)
    before[30:34, 30:32] = 160
    after[30 + down : 34 + down, 30 + right : 32 + right] = 160
    found = flow_between(before, after).vectors[30:34, 30:32].mean((0, 1))
    assert np.allclose(found, way, atol=1)


def test_a_growing_picture_flows_outwards():
    before = texture()
    turn = cv2.getRotationMatrix2D((31.5, 31.5), 0, 1.1)
    after = cv2.warpAffine(before, turn, (64, 64), borderMode=cv2.BORDER_REFLECT)
    vectors = inner(flow_between(before, after).vectors)
    assert vectors[:, :8, 0].mean() < -0.5
    assert vectors[:, -8:, 0].mean() > 0.5
    assert vectors[:8, :, 1].mean() < -0.5
    assert vectors[-8:, :, 1].mean() > 0.5


def test_nothing_moves_in_a_still_picture():
    flow = flow_between(texture(), texture())
    assert np.abs(inner(flow.vectors)).max() < 0.01
    assert np.abs(flow.vectors).mean() < 0.05  # OpenCV invents up to half a pixel at the rim
    assert flow.trusted.mean() > 0.99


def test_a_cut_is_not_trusted():
    assert flow_between(texture(seed=1), texture(seed=2)).trusted.mean() < 0.5


def test_pictures_are_measured_small():
    assert measured_picture(np.zeros((128, 96, 3), np.uint8)).shape == (WORK_PX, 48)
    assert measured_picture(np.zeros((16, 20, 3), np.uint8)).shape == (16, 20)
