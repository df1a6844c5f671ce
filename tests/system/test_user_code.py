"""Code of the user's own: found in this folder; run because a file names it only if the user has."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyworlds.system.user_code import (
    ASKED_FOR,
    import_object,
    is_class_path,
    is_known_code,
    is_users_own,
    remember_code,
    source_of,
)  # fmt: skip

Beside = Callable[[str, str], Path]


def test_a_class_beside_the_user(beside: Beside) -> None:
    beside("mine_a", "class Thing:\n    pass\n")
    assert import_object("mine_a.Thing").__module__ == "mine_a"
    assert str(Path.cwd()) in sys.path, "more is imported from there"


def test_near_names_are_those_of_the_kind(beside: Beside) -> None:
    beside("mine_b", "class Smooth(dict):\n    pass\n\nclass Smoother:\n    pass\n")
    with pytest.raises(ImportError, match=r"mine_b\.py has no 'Smoothe'\. Did you mean 'Smooth'\?"):
        import_object("mine_b.Smoothe", dict)


def test_whose_code_is_run_because_a_file_names_it(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    path = beside("mine_c", "class Thing:\n    pass\n")
    assert source_of("mine_c.inner") == path
    assert not is_users_own("mine_c")
    monkeypatch.setenv(ASKED_FOR, "other, mine_c")
    assert is_users_own("mine_c.inner")
    monkeypatch.delenv(ASKED_FOR)
    remember_code(import_object("mine_c.Thing"))
    assert is_known_code("mine_c")
    del sys.modules["mine_c"]
    assert is_users_own("mine_c"), "the same file"
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    monkeypatch.chdir(elsewhere)
    assert not is_users_own("mine_c"), "another file of that name"


def test_a_package_that_was_installed_is_not_known_by_one_of_its_classes() -> None:
    import yaml

    remember_code(yaml.SafeLoader)
    assert not is_known_code("yaml")


@pytest.mark.parametrize("text", ["a.B", "a.b.C", "_a.B1"])
def test_class_paths(text: str) -> None:
    assert is_class_path(text)


@pytest.mark.parametrize("text", ["", "a", "a.", ".a", "a..b", "a b.c", "a/b.c", "1.2", "http://a.b"])
def test_no_class_paths(text: str) -> None:
    assert not is_class_path(text)
