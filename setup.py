"""What `pyproject.toml` cannot say: README.md for the package index, where relative links lead nowhere."""

import re
from pathlib import Path

from setuptools import setup

REPOSITORY = "https://github.com/tinyworlds/tinyworlds"


def readme() -> str:
    """README.md with links and pictures of the repository as addresses."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(r"((?<!!)\[[^\[\]]*\]\()(?![a-z]+:|#)", rf"\1{REPOSITORY}/blob/main/", text)


setup(long_description=readme(), long_description_content_type="text/markdown")
