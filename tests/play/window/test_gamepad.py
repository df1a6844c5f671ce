"""Gamepads: what their events mean. No pad is plugged in here: events are made as SDL reports them."""

import pygame
import pytest

from tinyworlds.keys import KeyEvent
from tinyworlds.play.window.gamepad import Gamepads

PAD = 3


@pytest.fixture
def pads(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    pads = Gamepads(["space", "e"])
    pads._known.add(PAD)
    yield pads
    pads.close()
    pygame.display.quit()


def button(number, down=True):
    kind = pygame.CONTROLLERBUTTONDOWN if down else pygame.CONTROLLERBUTTONUP
    return pygame.event.Event(kind, button=number, instance_id=PAD)


def stick(axis, value):
    return pygame.event.Event(
        pygame.CONTROLLERAXISMOTION, axis=axis, value=int(value * 32767), instance_id=PAD
    )


def test_buttons_are_the_games_other_keys_in_order(pads):
    assert pads.take(button(pygame.CONTROLLER_BUTTON_A)) == [KeyEvent("space")]
    assert pads.take(button(pygame.CONTROLLER_BUTTON_B)) == [KeyEvent("e")]
    assert pads.take(button(pygame.CONTROLLER_BUTTON_X)) == []  # the game has no third key
    assert pads.take(button(pygame.CONTROLLER_BUTTON_A, down=False)) == [KeyEvent("space", down=False)]


def test_the_stick_is_the_arrows(pads):
    assert pads.take(stick(0, -0.9)) == [KeyEvent("left")]
    assert pads.take(stick(0, -0.7)) == []
    assert pads.take(stick(0, 0.8)) == [KeyEvent("left", down=False), KeyEvent("right")]
    assert pads.take(stick(1, -1.0)) == [KeyEvent("up")]
    assert pads.take(stick(0, 0.1)) == [KeyEvent("right", down=False)]
    assert pads.take(stick(3, 1.0)) == []  # the other stick


def test_cross_and_stick_hold_the_same_key_together(pads):
    assert pads.take(stick(0, -1.0)) == [KeyEvent("left")]
    assert pads.take(button(pygame.CONTROLLER_BUTTON_DPAD_LEFT)) == []
    assert pads.take(stick(0, 0.0)) == []  # the cross still holds it
    assert pads.take(button(pygame.CONTROLLER_BUTTON_DPAD_LEFT, down=False)) == [KeyEvent("left", down=False)]


def test_start_opens_the_menu_and_back_starts_anew(pads):
    assert pads.take(button(pygame.CONTROLLER_BUTTON_START)) == [KeyEvent("esc")]
    assert pads.take(button(pygame.CONTROLLER_BUTTON_BACK)) == [KeyEvent("r")]
    assert pads.menu_key(button(pygame.CONTROLLER_BUTTON_A)) == "enter"
    assert pads.menu_key(button(pygame.CONTROLLER_BUTTON_DPAD_DOWN)) is None  # as in the game: down


def test_a_pad_that_nobody_knows_goes_by_numbers(pads):
    other = 9
    make = pygame.event.Event
    assert pads.take(make(pygame.JOYBUTTONDOWN, button=1, instance_id=other)) == [KeyEvent("e")]
    assert pads.take(make(pygame.JOYHATMOTION, hat=0, value=(0, 1), instance_id=other)) == [KeyEvent("up")]
    assert pads.take(make(pygame.JOYAXISMOTION, axis=0, value=1.0, instance_id=other)) == [KeyEvent("right")]
    assert pads.menu_key(make(pygame.JOYBUTTONDOWN, button=0, instance_id=other)) == "enter"


def test_a_known_pad_is_not_heard_twice(pads):
    assert pads.take(pygame.event.Event(pygame.JOYBUTTONDOWN, button=0, instance_id=PAD)) == []


def test_a_pad_that_is_pulled_out_lets_go(pads):
    pads.take(stick(0, -1.0))
    gone = pygame.event.Event(pygame.JOYDEVICEREMOVED, instance_id=PAD)
    assert pads.take(gone) == [KeyEvent("left", down=False)]
