"""Gamepads: stick and cross are the arrows, buttons the game's other keys in order, Back starts anew.

Pads that SDL knows report named buttons; of others the first stick, the first hat and the buttons by number
are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pygame

from tinyworlds.keys import KeyEvent

MENU = "esc"
_CROSS = {
    pygame.CONTROLLER_BUTTON_DPAD_UP: "up", pygame.CONTROLLER_BUTTON_DPAD_DOWN: "down",
    pygame.CONTROLLER_BUTTON_DPAD_LEFT: "left", pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "right",
}  # fmt: skip
_COMMANDS = {pygame.CONTROLLER_BUTTON_BACK: "r", pygame.CONTROLLER_BUTTON_START: MENU}
_ACTIONS = (
    pygame.CONTROLLER_BUTTON_A, pygame.CONTROLLER_BUTTON_B, pygame.CONTROLLER_BUTTON_X,
    pygame.CONTROLLER_BUTTON_Y, pygame.CONTROLLER_BUTTON_LEFTSHOULDER, pygame.CONTROLLER_BUTTON_RIGHTSHOULDER,
)  # fmt: skip
_WAYS = (("left", "right"), ("up", "down"))
_THRESHOLD = 0.5
_FULL = 32768  # SDL's own range of a stick


class Gamepads:
    """All pads that are plugged in, also later.

    Args:
        other_keys: the game's keys that are no arrows, for the buttons, in order.
    """

    def __init__(self, other_keys: Sequence[str]) -> None:
        from pygame._sdl2 import controller

        self._controller = controller
        controller.init()
        pygame.joystick.init()
        self._others = tuple(other_keys)
        self._pads: dict[int, Any] = {}  # by SDL's number of the device; kept open while it is there
        self._known: set[int] = set()  # those whose buttons have names
        self._down: dict[tuple[int, Any], str] = {}

    def take(self, event: pygame.event.Event) -> list[KeyEvent]:
        """Return what an event of a pad means to a session; nothing for other events."""
        kind = event.type
        if kind == pygame.JOYDEVICEADDED:
            self._add(event.device_index)
        elif kind == pygame.JOYDEVICEREMOVED:
            self._pads.pop(event.instance_id, None)
            self._known.discard(event.instance_id)
            return [change for holder in [*self._down] if holder[0] == event.instance_id
                    for change in self._hold(holder, None)]  # fmt: skip
        elif kind in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP):
            key = self._of_button(event.button) if kind == pygame.CONTROLLERBUTTONDOWN else None
            return self._hold((event.instance_id, event.button), key)
        elif kind == pygame.CONTROLLERAXISMOTION:
            return self._stick(event.instance_id, event.axis, event.value / _FULL)
        elif getattr(event, "instance_id", None) not in self._known:
            return self._unnamed(event)
        return []

    def menu_key(self, event: pygame.event.Event) -> str | None:
        """Return the key that an event means in a menu: A chooses, B goes back; the rest as in `take`."""
        number = getattr(event, "instance_id", None)
        if event.type == pygame.CONTROLLERBUTTONDOWN:
            return {pygame.CONTROLLER_BUTTON_A: "enter", pygame.CONTROLLER_BUTTON_B: "esc"}.get(event.button)
        if event.type == pygame.JOYBUTTONDOWN and number not in self._known:
            return {0: "enter", 1: "esc"}.get(event.button)
        return None

    def release_all(self) -> list[KeyEvent]:
        """Let go of everything."""
        return [change for holder in [*self._down] for change in self._hold(holder, None)]

    def close(self) -> None:
        """Let go of the devices."""
        self._pads.clear()

    def _add(self, index: int) -> None:
        pad = pygame.joystick.Joystick(index)
        number = pad.get_instance_id()
        known = self._controller.is_controller(index)
        if known:
            self._known.add(number)
        self._pads[number] = self._controller.Controller(index) if known else pad

    def _unnamed(self, event: pygame.event.Event) -> list[KeyEvent]:
        """What a pad without named buttons says."""
        if event.type == pygame.JOYAXISMOTION:
            return self._stick(event.instance_id, event.axis, event.value)
        if event.type == pygame.JOYHATMOTION:
            x, y = event.value  # up is 1
            return [
                change
                for axis, value in enumerate((x, -y))
                for change in self._stick(event.instance_id, f"hat {axis}", value, axis)
            ]
        if event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP):
            down = event.type == pygame.JOYBUTTONDOWN and event.button < len(self._others)
            key = self._others[event.button] if down else None
            return self._hold((event.instance_id, f"button {event.button}"), key)
        return []

    def _of_button(self, button: int) -> str | None:
        if button in _ACTIONS and _ACTIONS.index(button) < len(self._others):
            return self._others[_ACTIONS.index(button)]
        return _CROSS.get(button) or _COMMANDS.get(button)

    def _stick(self, pad: int, name: Any, value: float, axis: int | None = None) -> list[KeyEvent]:
        axis = name if axis is None else axis
        if axis not in (0, 1):
            return []
        key = _WAYS[axis][value > 0] if abs(value) > _THRESHOLD else None
        return self._hold((pad, f"axis {name}"), key)

    def _hold(self, holder: tuple[int, Any], key: str | None) -> list[KeyEvent]:
        """Let a button or stick hold `key` from now on; a key is up when nothing holds it any more."""
        before = self._down.pop(holder, None)
        if before == key:
            if key is not None:
                self._down[holder] = key
            return []
        changes = []
        if before is not None and before not in self._down.values():
            changes.append(KeyEvent(before, down=False))
        if key is not None:
            if key not in self._down.values():
                changes.append(KeyEvent(key))
            self._down[holder] = key
        return changes
