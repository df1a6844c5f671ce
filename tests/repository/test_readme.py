"""What the documents promise: commands that parse, links that lead somewhere, the install that CI runs."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from doc_pages import commands, write_files
from doc_tables import why_not
from paths import ROOT

from tinyworlds.commands.cli import COMMANDS, main
from tinyworlds.commands.train import read_request
from tinyworlds.fit.config_files import shipped_configs

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    {ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "games/README.md")}
    | {*(ROOT / "docs").rglob("*.md")}
)
INSTALL_AND_RUN = 'pip install -e ".[games]" && tinyworlds quickstart'
INSTALL_AND_TEST = 'pip install -e ".[test]" && pytest'
LIGHTNING = ("fit", "validate", "test", "predict")


def quoted_commands(text: str) -> list[str]:
    """``tinyworlds ...`` in code blocks (also after &&) and in single backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = lines + re.findall(r"`([^`\n]+)`", prose)
    found = [line.split("  #")[0].strip() for line in found]
    return sorted({line for line in found if re.match(r"tinyworlds [a-zA-Z-]", line)})


@cache
def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tinyworlds", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def options_of(words: list[str]) -> list[str]:
    return [word.split("=")[0] for word in words if word.startswith("--")]


def as_named(option: str) -> str:
    """The name of an option, which people write with dashes, too."""
    return option.lstrip("-").replace("-", "_")


def commands_of_all_documents() -> list[str]:
    right = [path for path in DOCUMENTS if path.name != "troubleshooting.md"]  # has its own test
    found = {line for path in right for line in quoted_commands(path.read_text(encoding="utf-8"))}
    return sorted(found - {"tinyworlds COMMAND --help"})


@pytest.mark.parametrize("line", commands_of_all_documents())
def test_quoted_commands_exist(line: str) -> None:
    command, *words = shlex.split(line)[1:]
    if command.startswith("--"):
        assert main([command]) == 0
        return
    if command == "help":
        assert words[0] in ("COMMAND", *COMMANDS)
        return
    assert command in COMMANDS
    if command == "train" or command in LIGHTNING:
        return  # their options reach into the networks: see the next test
    kind = [word for word in words[:1] if command == "download" and word.isalpha()]
    known = {as_named(option) for option in re.findall(r"--[\w-]+", help_of(command, *kind))}
    known |= {f"no_{option}" for option in known}  # of switches
    assert {*map(as_named, options_of(words))} <= known


def settings_that_nobody_runs() -> list[str]:
    """Those quoted in prose, and those of the blocks that `test_pages.py` leaves out."""
    run = {line for page in DOCUMENTS for line in commands(page) if not why_not(line)}
    lines = [line for line in commands_of_all_documents() if line.split()[1] in (*LIGHTNING, "train")]
    return [line for line in lines if shlex.join(shlex.split(line)) not in run]


@pytest.mark.slow
@pytest.mark.parametrize("line", settings_that_nobody_runs())
def test_quoted_settings_are_settings(line: str, beside: Callable[[str, str], Path]) -> None:
    write_files(ROOT / "docs" / "extending.md", Path.cwd())
    line = line.replace("configs/mygame_", "configs/own_").replace("$rate", "0.002")
    command, *words = shlex.split(line)[1:]
    plans = [words]
    if command == "train":
        words = ["doom" if word in ("GAME", "NAME", "mygame") else word for word in words] or ["doom"]
        command, plans = "fit", [*read_request(words).arguments.values()]
    for plan in plans:
        if plan:
            with pytest.raises(SystemExit, match="0"):
                main_or_exit([command, *plan, "--print_config"])


def main_or_exit(argv: list[str]) -> None:
    raise SystemExit(main(argv))


def test_every_command_is_in_the_readme() -> None:
    told = {line.split()[1] for line in quoted_commands(README)}
    assert told >= set(COMMANDS)


def test_install_and_test_are_what_ci_runs() -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    first_two = [block.strip() for block in blocks[:2]]
    assert first_two == [INSTALL_AND_RUN, INSTALL_AND_TEST]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = [[w for w in line.split() if w not in ("--quiet", "-q")] for line in script.splitlines()]
    install, run_tests = (part.split() for part in INSTALL_AND_TEST.split(" && "))
    assert install in steps
    assert any(step[: len(run_tests)] == run_tests for step in steps)


def slug(heading: str) -> str:
    """The anchor a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document: Path) -> None:
    """Paths of this repository in backticks and commands."""
    text = document.read_text(encoding="utf-8")
    folders = "tinyworlds|tests|configs|callbacks|games|docs|notebooks"
    for name in re.findall(rf"(?<![\w/.])((?:{folders})/[\w/]+(?:\.\w+)?)(?![\w/*])", text):
        is_example = "mygame" in name or "my_" in name
        assert (ROOT / name).exists() or is_example or name.startswith("docs/images/"), name


def test_yaml_headers_are_commands() -> None:
    """Every shipped config opens with the command that runs it."""
    for path in shipped_configs().glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^#\s+tinyworlds (fit|train) ", text, flags=re.MULTILINE), path.name
        assert isinstance(yaml.safe_load(text), dict)


def test_every_page_is_in_the_navigation() -> None:
    """Whoever adds a page finds it missing here, and not when the site is built."""
    named = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {*named} == pages
    assert len(named) == len(pages)


def test_the_readme_begins_with_a_picture_that_moves() -> None:
    from PIL import Image

    first = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)[0]
    assert (ROOT / first).stat().st_size < 3_000_000
    with Image.open(ROOT / first) as picture:
        assert getattr(picture, "n_frames", 1) > 30
