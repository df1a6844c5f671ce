"""Every wrong call of docs/troubleshooting.md is made, and says what stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from paths import ROOT

from tinyworlds.commands.cli import main
from tinyworlds.shipped import shipped_worlds

ROWS = re.findall(r"^\| `tinyworlds (.*?)` \| (.*) \|$", (ROOT / "docs/troubleshooting.md").read_text(), re.M)


@pytest.fixture
def folder(here: Path, tiny_h5: Path) -> Path:
    """What the page says lies in the folder."""
    shutil.copyfile(shipped_worlds()["doom"], here / "doom.world")
    shutil.copyfile(tiny_h5, here / "data.h5")
    for name in ("clip.mp4", "place.png", "session.json"):
        (here / name).touch()
    (here / "run" / "dynamics").mkdir(parents=True)
    return here


def test_there_are_rows() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("words", "said"), ROWS)
def test_a_wrong_call(words: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {*folder.rglob("*")}
    assert main(shlex.split(words)) != 0
    out, err = capsys.readouterr()
    told = err or out
    for part in said.replace("`", "").split(". "):
        assert part.rstrip(".") in told.replace("`", "")
    assert err.count("\n") == (1 if err else 0)
    assert "Traceback" not in told
    assert {*folder.rglob("*")} == before
