"""Titles as data: where the gameplay lies, at what size and rate, and which keys do what.

Nothing here imports torch or a window toolkit.
"""

from games.registry import get, register, titles
from games.spec import GameSpec

__all__ = ["GameSpec", "get", "register", "titles"]
