"""What a page of the documentation asks its reader to write and to run."""

import re
from pathlib import Path


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
    """The commands in its blocks of shell, one a line."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("tinyworlds ")]
