"""Codes files beside a gameplay file: their names, which are kept, and how one is built."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

from tinyworlds.data.cache import cache_folder, check_space, noted_content
from tinyworlds.data.codes_part import CodesPart, rows_done
from tinyworlds.data.content import is_sealed, seal
from tinyworlds.system.files import move_into_place
from tinyworlds.system.locks import locked
from tinyworlds.system.progress import progress_bar
from tinyworlds.training.stages.codes.encoders import CodeEncoder

KEPT = 4
"""Codes files (of other weights or windows) that are kept beside one gameplay file, by last use."""

_LAYOUT_VERSION = "2"


@dataclasses.dataclass(frozen=True)
class Origin:
    """What codes are made of; a change of any of it makes another file.

    Attributes:
        content: :func:`~tinyworlds.data.content.content_hash` of the gameplay file.
        tokenizer: fingerprint of its weights.
        latent_actions: fingerprint of the action model's weights; "none" without one.
        window: what of the windows the codes depend on.
        layout_version: of the codes file.
    """

    content: str
    tokenizer: str
    latent_actions: str
    window: str
    layout_version: str = _LAYOUT_VERSION

    def path(self, source: Path) -> Path:
        """The codes file of this origin beside the gameplay file `source`."""
        key = hashlib.sha256("\n".join(dataclasses.astuple(self)).encode()).hexdigest()[:12]
        return cache_folder(source) / f"{_prefix(source, self.content)}{key}.h5"


def origin_of(
    encoder: CodeEncoder, tokenizer: str, latent_actions: str | None, busy: Callable[[], None] = lambda: None
) -> Origin:
    """Return the origin of what `encoder` makes, given the fingerprints of its networks.

    The gameplay file may be read whole for it, during which `busy` is called often.
    """
    content = noted_content(encoder.file.info.path, busy)
    return Origin(content, tokenizer, latent_actions or "none", encoder.window)


def ensure_codes(
    encoder: CodeEncoder, origin: Origin, busy: Callable[[], None] = lambda: None, progress: bool = True
) -> Path:
    """Return the codes file, after building it if it is not there, or going on with a build that was killed.

    One that was damaged since, such as one that lost its end, is built again.

    Two processes never write the same file; the second waits and takes the result of the first.

    Args:
        encoder: the networks and the rows they fill.
        origin: what the codes are made of.
        busy: called often while working and waiting.
        progress: show a bar with the time left.

    Raises:
        OSError: there is no room, or the folder of the gameplay file cannot be written.
    """
    source = encoder.file.info.path
    path = origin.path(source)
    if not is_sealed(path):
        lock = cache_folder(source) / f"{source.name}.codes.lock"
        with locked(lock, f"encoding {source.name}", busy):
            if not is_sealed(path):
                _remove(path)
                _drop_outdated(source, origin)
                _build(encoder, origin, path, busy, progress)
    with contextlib.suppress(OSError):  # a read-only folder
        os.utime(path)  # notes the last use
    return path


def _build(
    encoder: CodeEncoder,
    origin: Origin,
    path: Path,
    busy: Callable[[], None],
    progress: bool,
) -> None:
    """Encode all rows into a part file, piece by piece, and give it its name when it is whole."""
    part_path = path.with_suffix(".part")
    row_bytes = sum(2 * math.prod(shape[1:]) for shape in encoder.shapes.values())
    check_space(path.parent, (len(encoder) - rows_done(part_path)) * row_bytes, "codes")
    title = f"encoding {encoder.file.info.path.name}"
    try:
        with (
            CodesPart(part_path, encoder.shapes, encoder.starts, dataclasses.asdict(origin)) as part,
            progress_bar(title, len(encoder), progress) as advance,
        ):
            advance(part.done)
            while part.done < len(encoder):
                rows = encoder.encode(part.done)
                part.append(rows)
                advance(len(rows["ids"]))
                busy()
        seal(part_path, whole=True)
        move_into_place(part_path, path)
    except OSError as error:
        if error.errno == errno.ENOSPC:  # what is left of the disk belongs to the checkpoints
            part_path.unlink(missing_ok=True)
        raise


def _drop_outdated(source: Path, origin: Origin) -> None:
    """Make room for one more: remove codes of earlier contents of `source`, and those longest unused."""
    current = _prefix(source, origin.content)
    own_part = origin.path(source).with_suffix(".part")
    others = []
    for path in cache_folder(source).glob(f"{glob.escape(source.name)}.codes-*"):
        if not path.name.startswith(current):
            _remove(path)
        elif path != own_part:
            others.append(path)
    for path in sorted(others, key=_last_use, reverse=True)[KEPT - 1 :]:
        _remove(path)


def _prefix(source: Path, content: str) -> str:
    return f"{source.name}.codes-{content[:12]}-"


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone in the meantime
        return 0.0


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # in use by another process on Windows
        path.unlink()
