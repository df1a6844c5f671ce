"""Keys of real keyboards."""

import pygame
import pytest

from tinyworlds.keys import KeyEvent
from tinyworlds.play.window.keyboard import Keyboard, key_name


@pytest.mark.parametrize(
    ("code", "scancode", "name"),
    [
        (pygame.K_w, pygame.KSCAN_W, "w"),
        (pygame.K_z, pygame.KSCAN_W, "z"),  # French: what is printed on the key counts
        (0x446, pygame.KSCAN_W, "w"),  # Russian: its place
        (ord("&"), pygame.KSCAN_1, "1"),  # French digits are typed with Shift
        (pygame.K_0, pygame.KSCAN_0, "0"),
        (pygame.K_KP_0, pygame.KSCAN_KP0, "0"),
        (pygame.K_KP_7, pygame.KSCAN_KP7, "7"),
        (pygame.K_KP_ENTER, pygame.KSCAN_KP_ENTER, "enter"),
        (pygame.K_LEFT, pygame.KSCAN_LEFT, "left"),
        (pygame.K_ESCAPE, pygame.KSCAN_ESCAPE, "esc"),
        (pygame.K_PERIOD, pygame.KSCAN_PERIOD, "."),
        (pygame.K_F5, pygame.KSCAN_F5, None),
        (pygame.K_LSHIFT, pygame.KSCAN_LSHIFT, None),
        (ord("["), pygame.KSCAN_LEFTBRACKET, None),
    ],
)
def test_names_of_keys(code, scancode, name):
    assert key_name(code, scancode) == name


def event(kind, code, scancode):
    return pygame.event.Event(kind, key=code, scancode=scancode)


def test_keys_go_down_and_up_once_whatever_repeats():
    keyboard = Keyboard()
    down = event(pygame.KEYDOWN, pygame.K_w, pygame.KSCAN_W)
    assert keyboard.take(down) == [KeyEvent("w")]
    assert keyboard.take(down) == []
    assert keyboard.take(event(pygame.KEYUP, pygame.K_w, pygame.KSCAN_W)) == [KeyEvent("w", down=False)]
    assert keyboard.take(event(pygame.KEYUP, pygame.K_w, pygame.KSCAN_W)) == []


def test_a_key_goes_up_as_what_it_went_down_as():
    keyboard = Keyboard()
    keyboard.take(event(pygame.KEYDOWN, pygame.K_w, pygame.KSCAN_W))
    released = keyboard.take(event(pygame.KEYUP, 0x446, pygame.KSCAN_W))  # another alphabet by now
    assert released == [KeyEvent("w", down=False)]


def test_all_keys_are_let_go_of_where_the_window_loses_the_keyboard():
    keyboard = Keyboard()
    keyboard.take(event(pygame.KEYDOWN, pygame.K_a, pygame.KSCAN_A))
    keyboard.take(event(pygame.KEYDOWN, pygame.K_SPACE, pygame.KSCAN_SPACE))
    assert keyboard.release_all() == [KeyEvent("a", down=False), KeyEvent("space", down=False)]
    assert keyboard.release_all() == []
