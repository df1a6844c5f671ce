"""Text that somebody else chose, made harmless to look at: on a terminal, in a page, in Markdown."""

from __future__ import annotations

import re
import unicodedata

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji are written with them
_MARKUP = re.compile(r"([\\`*\[\]<>!|~&$]|:(?=//))")


def visible(text: str, keep: str = "") -> str:
    r"""Return `text` with every character that cannot be seen as its escape, such as ``\x1b``.

    Control characters (terminals obey them), marks that turn the reading direction, and lone surrogates.

    Args:
        text: any.
        keep: characters to leave alone, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char) or char in keep else _escape(char) for char in text)


def encodable(text: str) -> str:
    r"""Return `text` as UTF-8 and C strings can hold it, with lone surrogates and NUL as escapes.

    File names have such surrogates where their bytes are no UTF-8.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _is_seen(char: str) -> bool:
    is_space = unicodedata.category(char) == "Zs"  # of any width; Python prints the plain one alone
    return char.isprintable() or is_space or char in _JOINERS


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def literal(text: str) -> str:
    """Return text that Markdown and HTML show as it is: no link, picture, tag or table cell in it."""
    escaped = _MARKUP.sub(r"\\\1", visible(text))
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")
