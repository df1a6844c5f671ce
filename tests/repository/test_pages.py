"""Every command and every program of the documentation is run, page by page, in its order.

What makes commands short, and which are not run and why, is in `doc_tables`; `doc_benches` has what a page
supposes to be there.
"""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from doc_benches import supply
from doc_pages import blocks, commands
from doc_programs import FRAGMENTS, programs, run_programs
from doc_shell import Shell
from doc_tables import NOT_RUN, SHORTER, why_not
from paths import ROOT

FOLLOWED = ("docs/extending.md",)  # from its files to its last command, by test_extending.py
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in DOCUMENTS if page.relative_to(ROOT).as_posix() not in FOLLOWED]
COMMANDS = [command for page in PAGES for command in commands(page)]
SHOWN = {"window": r"^tinyworlds play (?!.*--(browser|headless|replay))|^python -m games|--policy human",
         "page": r"^tinyworlds play .*--browser", "files": r"^python -m http.server"}  # fmt: skip


@pytest.fixture(scope="module")
def doom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first command of the README leaves; only to be copied."""
    pytest.importorskip("vizdoom")
    pytest.importorskip("ale_py")
    folder = tmp_path_factory.mktemp("doom")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ended = Shell(patch).run("tinyworlds quickstart")
    assert ended.code == 0, ended.said
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # which so short a training deserves
@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands(page) or programs(page)], ids=lambda page: page.stem
)
def test_a_page_can_be_followed(
    page: Path, doom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(doom, tmp_path / "folder")
    monkeypatch.chdir(folder)
    shell = Shell(monkeypatch)
    supply(page.stem, shell)
    for command in commands(page):
        if why_not(command) is None:
            _follow(command, shell)
    run_programs(page)


def _follow(command: str, shell: Shell) -> None:
    ended = shell.run(command)
    assert ended.code == 0, f"{command}\n{ended.said}"
    assert "Traceback" not in ended.said, f"{command}\n{ended.said}"
    assert ended.seen == [view for view, pattern in SHOWN.items() if re.search(pattern, command)], command
    missing = [name for name in _written_by(shlex.split(command)) if not Path(name).exists()]
    assert not missing, f"{command}\n{ended.said}"


def _written_by(words: list[str]) -> list[str]:
    """What a command says that it writes."""
    options = ("--out", "--sheet", "--web")
    named = [after for word, after in pairwise(words) if word in options]
    if words[1] in ("export", "convert"):  # what is read is there anyway
        named += [word for word in words[2:] if word.endswith((".world", ".h5", ".safetensors"))]
    return named


def test_whatever_is_no_command_of_ours_has_a_reason() -> None:
    unknown = [line for line in COMMANDS if not re.match(r"tinyworlds |python (-m |examples/)", line)]
    assert not [line for line in unknown if why_not(line) is None]


@pytest.mark.parametrize("pattern", [*NOT_RUN, *SHORTER])
def test_the_tables_hold_nothing_that_no_page_has(pattern: str) -> None:
    started = ["tinyworlds fit --config own_tokenizer.yaml"]  # by `tinyworlds train`
    assert any(re.search(pattern, line) for line in COMMANDS + started)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.stem)
def test_commands_stand_in_blocks_of_bash(page: Path) -> None:
    """Elsewhere nobody runs them."""
    others = [
        block for language in ("", "text", "console", "sh", "shell") for block in blocks(page, language)
    ]
    lines = [line for block in others for line in block.splitlines()]
    assert not [line for line in lines if re.match(r"(\$ )?(tinyworlds|python|pip) ", line)]


def test_fragments_are_still_there() -> None:
    texts = [text for page in PAGES for text in blocks(page, "python")]
    assert all(any(words in text for text in texts) for words in FRAGMENTS)
