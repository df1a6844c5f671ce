"""Writes the names of all settings of ``fit`` and its kin to a file, for completion by the shell.

Run ``python -m tinyworlds.fit.known_settings`` after a change. Asking the parser itself takes seconds, which
nobody waits for at a Tab key.
"""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("settings.txt")
_ONE_OF_EACH_KIND = ("doom_tokenizer.yaml", "dreamer_catch.yaml")
"""Configs of stages that are trained on different kinds of data; `data.*` depends on that."""


def listed_settings() -> list[str]:
    """Return the dotted names of all settings of all stages, as the file lists them."""
    return FILE.read_text(encoding="utf-8").split()


def known_settings() -> list[str]:
    """Return the dotted names of all settings of all stages, in alphabetical order."""
    from tinyworlds.fit.config_reading import known_keys

    names = {key for config in _ONE_OF_EACH_KIND for key in known_keys(["--config", f"configs/{config}"])}
    return sorted(name for name in names if name != "help" and not name.endswith((".help", "+")))


if __name__ == "__main__":
    FILE.write_text("\n".join(known_settings()) + "\n", encoding="utf-8")
