"""A hook of mkdocs: links from docs/ to other files of the repository lead to where it is hosted."""

import re
from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Return a page in which ``](../games/README.md)`` is an address."""
    return re.sub(r"\]\((?:\.\./)+(?!\.\./)", f"]({config['repo_url']}/blob/main/", markdown)
