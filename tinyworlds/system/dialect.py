"""How people type options: ``--num-clips``, ``--play=false``, ``--no_record``, ``--data=[a.h5,b.h5]``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

_SWITCHES = argparse._StoreConstAction  # of which `store_true` and `store_false` are kinds
_TRUTH = ("true", "false")


def as_spelt_here(argv: Sequence[str], options: Mapping[str, argparse.Action]) -> list[str]:
    """Return the words of a call as a parser knows them.

    Dashes within a name are underscores; a switch takes ``true`` or ``false`` and the word ``no_``, the last
    one counts; a list may stand in brackets. What is no option of the parser stays as it is.

    Args:
        argv: the words as they are typed.
        options: the parser's options by name, ``--`` included.
    """
    spelt: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*spelt, word, *words]
        name, equals, value = word.partition("=")
        name = _known(name, options)
        switch, turned_on = _switch(name, options)
        if switch:
            if not equals and words and words[0] in _TRUTH:
                equals, value = "=", words.pop(0)
            if value in _TRUTH or not equals:
                _turn(spelt, switch, turned_on == (value != "false"), options)
                continue
        elif name in options and options[name].nargs not in (None, "?", 0):
            if not equals and words and _in_brackets(words[0]):
                equals, value = "=", words.pop(0)
            if equals and _in_brackets(value):
                spelt += [name, *re.findall(r"[^\[\]\s,'\"]+", value)]
                continue
        spelt.append(f"{name}{equals}{value}")
    return spelt


def _known(name: str, options: Mapping[str, argparse.Action]) -> str:
    """An option as the parser spells it; anything else as it is typed."""
    if not name.startswith("--"):
        return name
    spelt = f"--{name[2:].replace('-', '_')}"
    return spelt if spelt in options or _switch(spelt, options)[0] else name


def _switch(name: str, options: Mapping[str, argparse.Action]) -> tuple[str, bool]:
    """The option that is a switch, and whether `name` is that option; its opposite names it, too."""
    if name.startswith("--"):
        if isinstance(options.get(name), _SWITCHES):
            return name, True
        if isinstance(options.get(_opposite(name)), _SWITCHES):
            return _opposite(name), False
    return "", False


def _opposite(name: str) -> str:
    return f"--{name[5:]}" if name.startswith("--no_") else f"--no_{name[2:]}"


def _turn(spelt: list[str], switch: str, on: bool, options: Mapping[str, argparse.Action]) -> None:
    """Add a switch that is turned on; one that is turned off is taken back, whatever stood before."""
    spelt[:] = [word for word in spelt if word not in (switch, _opposite(switch))]
    if on:
        spelt.append(switch)
    elif _opposite(switch) in options:
        spelt.append(_opposite(switch))


def _in_brackets(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")
