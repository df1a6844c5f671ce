"""Words for measured effects; docs/actions.md lists the criteria for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyworlds.actions.effects import Effect, Measured

NOTHING, FLASH, CHANGE = "nothing", "flash", "change"
WHOLE_PICTURE = 0.25  # of its pixels move: the view does, not a thing in it
LEAST_SHARE = 0.25  # of the motion must agree on a direction
CLEAR_SHARE = 2.0  # times the other axis: straight, not diagonal
FLASH_LEVELS = 12.0
CHANGE_SHARE = 0.25  # of what moving actions change, often the whole picture; less is nothing
TWIN_SHARE = 0.5  # of how far apart two actions usually are
VISIBLE_LEVELS = 0.1


def effect_names(effects: Sequence[Effect]) -> list[str]:
    """Name each effect; several may have the same name."""
    directions = [direction_name(effect) for effect in effects]
    changes = [effect.change for effect, name in zip(effects, directions, strict=True) if name]
    usual = float(np.median(changes)) if changes else max(effect.change for effect in effects)
    least = max(CHANGE_SHARE * usual, VISIBLE_LEVELS)
    return [name or _other_name(effect, least) for effect, name in zip(effects, directions, strict=True)]


def _other_name(effect: Effect, least_change: float) -> str:
    if effect.brightness.certain and abs(effect.brightness.mean) >= FLASH_LEVELS:
        return FLASH
    return CHANGE if effect.change >= least_change else NOTHING


def direction_name(effect: Effect) -> str:
    """Where things or the view go: "left", "up right", "turn left", "look up", "forward"; "" if nowhere.

    The view goes the other way than its picture.
    """
    right, down, outwards = (_certain(value) for value in (effect.right, effect.down, effect.outwards))
    straight = float(np.hypot(right, down))
    whole = effect.moving >= WHOLE_PICTURE
    if whole and abs(outwards) > max(straight, LEAST_SHARE):
        return "forward" if outwards > 0 else "back"
    if straight < LEAST_SHARE:
        return ""
    if abs(right) >= CLEAR_SHARE * abs(down):
        down = 0.0
    elif abs(down) >= CLEAR_SHARE * abs(right):
        right = 0.0
    sign = -1 if whole else 1
    vertical = ("up" if down * sign < 0 else "down") if down else ""
    horizontal = ("left" if right * sign < 0 else "right") if right else ""
    words = f"{vertical} {horizontal}".strip()
    if not whole:
        return words
    return f"look {words}" if vertical else f"turn {words}"


def _certain(value: Measured) -> float:
    return value.mean if value.certain else 0.0


def distinct(names: Sequence[str], order: Sequence[int]) -> list[str]:
    """Number names that occur more than once: "left", "left 2", ...

    Args:
        names: one per action.
        order: all actions; the first of a name keeps it as it is.
    """
    found, counts = list(names), dict.fromkeys(names, 0)
    for action in order:
        counts[names[action]] += 1
        if counts[names[action]] > 1:
            found[action] = f"{names[action]} {counts[names[action]]}"
    return found


def twins(dreams: np.ndarray, names: Sequence[str]) -> dict[int, int]:
    """Find actions that do the same: the same name, and pictures closer than half as far as any usual two.

    Args:
        dreams: uint8 [A, N, T + 1, H, W, 3].
        names: one per action, see `effect_names`.

    Returns:
        Action to the first action that it is a twin of.
    """
    pictures = dreams[:, :, 1:]
    distance = np.array([[_distance(one, other) for other in pictures] for one in pictures])  # [A, A]
    others = [[i for i, name in enumerate(names) if name != names[action]] for action in range(len(names))]
    found: dict[int, int] = {}
    for action, name in enumerate(names):
        for first in range(action):
            usual = np.median(distance[action, others[action]]) if others[action] else distance.max()
            same = name == names[first] and first not in found
            if same and distance[action, first] <= max(TWIN_SHARE * usual, VISIBLE_LEVELS):
                found[action] = first
                break
    return found


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(one, other, strict=True)]))
