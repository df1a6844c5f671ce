"""The plan of the house: every room has its place in the order of imports, and tests repeat the rooms."""

from pathlib import Path

import pytest
from paths import ROOT

from tinyworlds.commands.cli import COMMANDS

PACKAGE = ROOT / "tinyworlds"
TESTS = ROOT / "tests"
OTHER_TESTS = {"repository", "games", "callbacks"}  # of the repository, and of packages beside tinyworlds


def is_room(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")}


def test_nothing_lies_loose_in_the_root() -> None:
    assert modules(PACKAGE) == {"__init__", "__main__", "api", "errors", "keys"}


def test_every_room_has_its_place_in_the_order_of_imports() -> None:
    tomllib = pytest.importorskip("tomllib", reason="part of Python since 3.11")
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    layers = next(c["layers"] for c in tool["importlinter"]["contracts"] if c["type"] == "layers")
    ordered = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {f"tinyworlds.{folder.name}" for folder in PACKAGE.iterdir() if is_room(folder)}
    loose = {f"tinyworlds.{name}" for name in modules(PACKAGE) - {"__init__"}}
    assert {name for name in ordered if name.startswith("tinyworlds.")} == rooms | loose


def test_tests_lie_in_folders_named_as_the_rooms() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    rooms = {folder for folder in folders if folder.parts[0] not in OTHER_TESTS}
    assert rooms
    assert not [str(room) for room in rooms if not is_room(PACKAGE / room)]


def test_every_command_has_a_module_of_its_name() -> None:
    assert modules(PACKAGE / "commands") - {"__init__", "cli"} == set(COMMANDS)
