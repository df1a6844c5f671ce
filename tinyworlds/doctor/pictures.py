"""Video codecs, OpenCV, the display: each is really used."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tinyworlds.doctor.report import Finding, failure, ok, warning
from tinyworlds.doctor.software import install_command, installer

_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_FRAMES, _SIZE = 8, 64
_MAX_ERROR = 12.0  # mean distance of a pixel after H.264; a broken codec is off by tens


def check_codecs() -> Iterator[Finding]:
    """Encode a small clip with the encoder that clips are written with, and decode it again."""
    from tinyworlds.media.video import write_encoded

    yield from judge_codec("H.264 through PyAV", write_encoded, install_command("av"))


def judge_codec(
    name: str, encoder: Callable[[Path, np.ndarray, float], None], remedy: str
) -> Iterator[Finding]:
    """Write moving frames with `encoder`, read them back with PyAV and compare."""
    frames = _moving_square()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        clip = Path(folder, "clip.mp4")
        try:
            encoder(clip, frames, 15.0)
            decoded = _decode(clip)
        except Exception as error:  # whatever a codec raises, this one does not work
            yield failure(f"{name} does not work: {' '.join(str(error).split())[:200]}", remedy)
            return
    if decoded.shape != frames.shape:
        yield failure(f"{name} returned {decoded.shape} for {frames.shape}", remedy)
        return
    distance = float(np.abs(decoded.astype(np.float32) - frames).mean())
    text = f"{name}: {_FRAMES} frames written and read back, off by {distance:.1f} of 255"
    yield ok(text) if distance < _MAX_ERROR else failure(text, remedy)


def _moving_square() -> np.ndarray:
    frames = np.full((_FRAMES, _SIZE, _SIZE, 3), 60, np.uint8)
    for i, frame in enumerate(frames):
        frame[16:48, 4 * i : 4 * i + 24] = (220, 160, 40)
    return frames


def _decode(clip: Path) -> np.ndarray:
    import av

    with av.open(str(clip)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def check_opencv() -> Iterator[Finding]:
    """OpenCV as a package: one wheel, not two that overwrite each other's files."""
    installed = {}
    for wheel in _WHEELS:
        try:
            installed[wheel] = version(wheel)
        except PackageNotFoundError:
            continue
    yield judge_opencv(installed)
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        yield failure(
            f"OpenCV does not load: {' '.join(str(error).split())[:200]}", reinstall_opencv(installed)
        )
        return
    if not hasattr(cv2, "__version__"):  # what is left of the folder after one of two wheels was removed
        yield failure("OpenCV's folder is there but its files are gone", reinstall_opencv(installed))


def judge_opencv(installed: dict[str, str]) -> Finding:
    """Say whether the installed wheels, name to version, get into each other's way."""
    if not installed:
        return failure("OpenCV is not installed", install_command("opencv-python"))
    found = " and ".join(f"{name} {number}" for name, number in installed.items())
    if len(installed) > 1:
        return failure(
            f"{found} are both installed and share one folder, where the last one won",
            reinstall_opencv(installed),
        )
    return ok(found)


def reinstall_opencv(installed: dict[str, str]) -> str:
    """Return the commands that leave one whole opencv-python; one after the other, for any shell."""
    uv = installer().startswith("uv")
    install = install_command("--reinstall" if uv else "--force-reinstall", "--no-deps", "opencv-python")
    if not installed:
        return install
    remove = f"{installer()} uninstall {'' if uv else '-y '}{' '.join(installed)}"
    return f"{remove}   and then   {install}"


def check_display() -> Iterator[Finding]:
    """Really open a window, as play does."""
    from tinyworlds.errors import DisplayError
    from tinyworlds.play.window.display import require_display

    try:
        require_display()
    except DisplayError as error:
        yield warning(str(error))
        return
    yield ok("a window can be opened: play works with --window")
