"""``python -m games``: list the titles."""

from __future__ import annotations

import sys
from pathlib import Path

from games.registry import get, titles
from tinyworlds.errors import TinyWorldsError


def main() -> int:
    """Print one line per title: command, name, size and rate, whether its data are here."""
    for name in titles():
        try:
            spec = get(name)
        except TinyWorldsError as error:
            print(f"{name:<15} {error}")
            continue
        source = "data here" if Path(spec.data_file).exists() else f"data: {spec.data_file}"
        if spec.env_id and not Path(spec.data_file).exists():
            source = f"record it: tinyworlds record {name}"
        print(f"{name:<15} {spec.title:<28} {spec.frame_size:>3} px {spec.fps:>5g} fps   {source}")
    print("Play one: python -m games.<name> [--world FILE]   Train one: tinyworlds train <name>")
    return 0


if __name__ == "__main__":
    sys.exit(main())
