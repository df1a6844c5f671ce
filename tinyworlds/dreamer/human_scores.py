"""What chance and people score in the 26 games of the Atari100k benchmark.

The figures are those that the benchmark's tables share (https://arxiv.org/abs/1903.00374 and later ones); a
normalised score is 0 for chance and 1 for a person.
"""

from __future__ import annotations

ATARI = {
    "alien": (227.8, 7127.7),
    "amidar": (5.8, 1719.5),
    "assault": (222.4, 742.0),
    "asterix": (210.0, 8503.3),
    "bank_heist": (14.2, 753.1),
    "battle_zone": (2360.0, 37187.5),
    "boxing": (0.1, 12.1),
    "breakout": (1.7, 30.5),
    "chopper_command": (811.0, 7387.8),
    "crazy_climber": (10780.5, 35829.4),
    "demon_attack": (152.1, 1971.0),
    "freeway": (0.0, 29.6),
    "frostbite": (65.2, 4334.7),
    "gopher": (257.6, 2412.5),
    "hero": (1027.0, 30826.4),
    "jamesbond": (29.0, 302.8),
    "kangaroo": (52.0, 3035.0),
    "krull": (1598.0, 2665.5),
    "kung_fu_master": (258.5, 22736.3),
    "ms_pacman": (307.3, 6951.6),
    "pong": (-20.7, 14.6),
    "private_eye": (24.9, 69571.3),
    "qbert": (163.9, 13455.0),
    "road_runner": (11.5, 7845.0),
    "seaquest": (68.4, 42054.7),
    "up_ndown": (533.4, 11693.2),
}
"""Score of chance and of a person, by the name behind ``atari_``."""


def human_normalised(task: str, score: float) -> float | None:
    """A score of a task by its name, 0 for chance and 1 for a person; None where that is not known."""
    known = ATARI.get(task.removeprefix("atari_"))
    return None if known is None else (score - known[0]) / (known[1] - known[0])
