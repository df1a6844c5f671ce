"""What a page of the documentation asks its reader to write and to run."""

import itertools
import re
import shlex
from pathlib import Path

_LOOP = re.compile(r"^for (\w+) in ([^;\n]+); do\n(.*?)^done$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks in one language, in their order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the blocks that begin with a comment that names a file; return the names."""
    names = []
    for text in [*blocks(page, "python"), *blocks(page, "yaml")]:
        if named := re.match(r"# (\w+\.(?:py|yaml))\n", text):
            (folder / named[1]).write_text(text, encoding="utf-8")
            names.append(named[1])
    return names


def commands(page: Path) -> list[str]:
    """The commands in its blocks of shell in their order, as a shell reads them, without comments."""
    found = []
    for block in blocks(page, "bash"):
        lines = _LOOP.sub(_unrolled, block.replace("\\\n", " ")).splitlines()
        words = [shlex.split(line, comments=True) for line in lines]
        found += [shlex.join(part) for line in words for part in _parts(line) if part]
    return found


def _unrolled(loop: re.Match[str]) -> str:
    """The lines of a loop, for each of its values."""
    name, values, body = loop.groups()
    return "".join(body.replace(f"${name}", value) for value in values.split())


def _parts(words: list[str]) -> list[list[str]]:
    """What stands before and after each ``&&``."""
    return [[*part] for is_and, part in itertools.groupby(words, "&&".__eq__) if not is_and]
