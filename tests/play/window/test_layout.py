"""Where things stand in windows of all sizes: whole multiples, nothing over anything else."""

import itertools

import pytest

from tinyworlds.play.window.layout import Box, Shape, lay_out

PANEL = (250, 160)
WINDOWS = [(1920, 1080), (1280, 800), (800, 600), (762, 512), (500, 900), (390, 844), (240, 180)]


def overlap(one, other):
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return across > 0 and down > 0


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("num_pictures", [1, 2])
@pytest.mark.parametrize("picture", [(64, 64), (64, 48), (96, 160)])
def test_pictures_are_whole_multiples_and_nothing_overlaps(window, num_pictures, picture):
    layout = lay_out(Shape(picture, num_pictures, PANEL, caption=20, gap=6), window)
    boxes = [*layout.pictures, *layout.captions, *([layout.panel] if layout.panel else [])]
    assert layout.panel or window[0] < 400
    assert len(layout.pictures) == len(layout.captions) == num_pictures
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    for box in layout.pictures:
        assert box.left >= 0
        assert box.top >= 0
        assert box.left + box.width <= window[0]
        assert box.top + box.height <= window[1]
        if box.width >= picture[0]:
            assert (box.width % picture[0], box.height % picture[1]) == (0, 0)
            assert box.width // picture[0] == box.height // picture[1]


def test_the_panel_stands_where_it_leaves_the_larger_picture():
    shape = Shape((64, 64), panel=PANEL)
    assert lay_out(shape, (1280, 720)).panel == Box(1030, 0, 250, 720)
    assert lay_out(shape, (600, 1000)).panel == Box(0, 840, 600, 160)


def test_without_a_panel_the_picture_takes_the_window():
    layout = lay_out(Shape((64, 64)), (1920, 1080))
    assert layout.panel is None
    assert layout.pictures == (Box(448, 28, 1024, 1024),)


def test_two_pictures_are_as_large_as_one_where_there_is_room():
    one, two = (lay_out(Shape((64, 64), number, PANEL), (1290, 540)).pictures for number in (1, 2))
    assert one[0].width == two[0].width == two[1].width == 512


def test_a_window_of_the_wanted_size_holds_what_it_was_made_for():
    shape = Shape((64, 48), 2, PANEL, caption=20, gap=6)
    layout = lay_out(shape, shape.size(6))
    assert [box.width for box in layout.pictures] == [384, 384]
