"""A report as one HTML page, with pictures and clips inside: it can be sent to somebody as it is.

No scripts; a policy in the page forbids whatever is not in it. Names come from files that anybody may have
written, so the template escapes everything.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds import __version__
from tinyworlds.evaluation.drawn import Mood
from tinyworlds.evaluation.markdown import Strong, Table
from tinyworlds.evaluation.play_test.text import drift_table, key_table
from tinyworlds.evaluation.rows import SOURCES, STATISTICS, Bar
from tinyworlds.evaluation.terminal import figures_table, keys_note
from tinyworlds.evaluation.text import (
    basis,
    confusion_table,
    figure_table,
    horizon_table,
    marked,
    prediction_table,
)
from tinyworlds.evaluation.words import KeyWords, Sentence, key_words, sentences
from tinyworlds.system.files import write_text
from tinyworlds.system.text import visible

if TYPE_CHECKING:
    from tinyworlds.evaluation.next_steps import Step
    from tinyworlds.evaluation.report import Report

TEMPLATES = Path(__file__).parent / "templates"
MOST_BYTES = 9_000_000
"""Of a page: mail programs take 10 MB and more."""
_WIDE_PX = 900  # from which on a phone scrolls a picture sideways
_MARKS: dict[Mood, str] = {"good": "✓", "fair": "~", "poor": "✗"}
_CLIPS = {".mp4": "video/mp4", ".webm": "video/webm"}


@dataclass(frozen=True)
class Picture:
    """A picture or a clip inside a page; without an `uri` it was too large."""

    name: str
    caption: str
    uri: str = ""
    is_clip: bool = False
    width: int = 0
    height: int = 0

    @property
    def is_wide(self) -> bool:
        """Whether nothing could be seen of it in the width of a phone."""
        return self.width > max(_WIDE_PX, self.height)


@dataclass(frozen=True)
class Page:
    """What stands on a page, from top to bottom; what is empty is left out."""

    title: str
    about: Sequence[str] = ()
    sentences: Sequence[Sentence] = ()
    keys: Sequence[KeyWords] = ()
    keys_note: str = ""
    steps: Sequence[Step] = ()
    tables: Sequence[tuple[str, Table]] = ()
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    details: Sequence[tuple[str, Table]] = ()


def write_report_page(
    folder: Path,
    report: Report,
    bars: Mapping[str, Bar],
    pictures: Mapping[str, str],
    steps: Sequence[Step] = (),
) -> Path:
    """Write ``report.html`` into a folder.

    Args:
        folder: where the pictures lie.
        report: the figures.
        bars: what they must reach.
        pictures: file names in the folder, and their captions.
        steps: what to do next.

    Raises:
        StorageError: it cannot be written.
    """
    told = ", ".join(f"{key} {value}" for key, value in report.settings.items())
    details = [("Every figure", figure_table(report, bars)), ("Predictions", prediction_table(report, bars))]
    if report.play is not None:
        details.append(("Keys, band by band", key_table(report.play, marked("key held", report))))
        details.append(("Drift", drift_table(report.play)))
    details.append(("Rollouts, frame by frame", horizon_table(report)))
    if report.confusion:
        details.append(("True and latent actions", confusion_table(report)))
    details.append(("What the words mean", _glossary()))
    page = Page(
        title=f"{report.game or 'World'}: how it plays",
        about=[f"{basis(report)} Data: {report.data}."],
        sentences=sentences(report),
        keys=key_words(report.play) if report.play else (),
        keys_note=keys_note(report.play) if report.play else "",
        steps=steps,
        tables=[("Figures", figures_table(report, bars))],
        notes=[f"Measured in {report.seconds:.0f} s by tinyworlds {__version__}. Settings: {told}."],
        pictures=embedded(folder, pictures),
        details=details,
    )
    return write_page(folder / "report.html", page)


def write_page(path: Path, page: Page) -> Path:
    """Write a page, whole or not at all, and return its path.

    Raises:
        StorageError: it cannot be written.
    """
    write_text(path, page_html(page))
    return path


def page_html(page: Page) -> str:
    """Return a page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    templates.filters["seen"] = visible
    templates.tests["strong"] = lambda cell: isinstance(cell, Strong)
    content: dict[str, Any] = {name: getattr(page, name) for name in Page.__dataclass_fields__}
    return templates.get_template("page.html").render(
        **content,
        style=Markup(style),  # our own file
        policy=policy,
        marks=_MARKS,
        percent=lambda share: f"{100 * share:.0f} %",
    )


def embedded(folder: Path, pictures: Mapping[str, str], most_bytes: int = MOST_BYTES) -> list[Picture]:
    """Return the pictures of a folder as a page holds them, the clips first.

    What would make the page too large is packed smaller, or else left out.
    """
    found, left = [], most_bytes * 3 // 4  # base64 takes four letters for three bytes
    for name, caption in sorted(pictures.items(), key=lambda each: Path(each[0]).suffix not in _CLIPS):
        picture, size = _embedded(folder / name, caption, left)
        found.append(picture)
        left -= size
    return found


def _embedded(path: Path, caption: str, left: int) -> tuple[Picture, int]:
    """A picture that takes at most `left` bytes, and what it takes."""
    from PIL import Image

    data = path.read_bytes()
    if kind := _CLIPS.get(path.suffix):
        fits = len(data) <= left
        return Picture(path.name, caption, _uri(kind, data) if fits else "", True), len(data) if fits else 0
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        kind = "image/png"
        if len(data) > left:
            packed = io.BytesIO()
            image.convert("RGB").save(packed, "WEBP", quality=80)
            data, kind = packed.getvalue(), "image/webp"
    if len(data) > left:
        return Picture(path.name, caption), 0
    return Picture(path.name, caption, _uri(kind, data), False, width, height), len(data)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _glossary() -> Table:
    table = Table(("word", "meaning"))
    for word, meaning in {**STATISTICS, **SOURCES}.items():
        table.add(word, meaning)
    return table
