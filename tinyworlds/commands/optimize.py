"""``tinyworlds optimize FILE.h5 [OUT]``: rewrite a gameplay file so that it reads fast."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.checkpoints.file_kinds import GAMEPLAY, expect
from tinyworlds.data.cache import reads_slowly
from tinyworlds.data.optimize import WINDOW_FRAMES, measure_rate, optimize
from tinyworlds.data.schema import read_info
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.system.options import Positive, call


def main(argv: list[str]) -> int:
    """Run ``tinyworlds optimize FILE.h5 [OUT]``."""
    return call(
        optimize_command,
        argv,
        "tinyworlds optimize",
        by_position="out",
        examples=(
            "tinyworlds optimize data/zelda_frames.h5",
            "tinyworlds optimize big.h5 small.h5 --size 64",
        ),
    )


def optimize_command(
    file: str,
    out: str | None = None,
    raw: bool = False,
    overwrite: bool = False,
    size: Positive | None = None,
) -> int:
    """Rewrite a gameplay file so that it reads fast; attributes and other data sets stay as they are.

    It also makes one file of a file that refers to others beside it (a virtual data set, a link), and of one
    that was never closed because its program was stopped.

    Args:
        file: the gameplay file.
        out: where the rewritten file goes; default: in place of FILE, once it is complete and compared.
        raw: store the frames unpacked and in one piece: the fastest, as large as they are in memory.
        overwrite: replace OUT, or rewrite a file in place that reads well as it is.
        size: height and width of the frames in OUT in pixels; default: as they are.
    """
    expect("optimize", [file], GAMEPLAY)
    if out is not None and Path(out).exists() and not overwrite:
        raise DataError(f"{out} exists already; choose another name or pass --overwrite")
    if out is not None and Path(out).suffix.lower() not in (".h5", ".hdf5"):
        raise ConfigError(f"OUT is {out}; a gameplay file ends in .h5, so call it {out}.h5")
    if out is None and size is not None:
        raise ConfigError(f"--size {size} throws pixels away, so it makes another file: name OUT")
    info = read_info(file) if out is None and not overwrite else None
    if info is not None and not raw and not reads_slowly(info):
        rate = _rate(measure_rate(info.path))
        print(f"{file} reads well as it is: {rate}; --overwrite rewrites it all the same")
        return 0
    done = optimize(file, out, raw, size=size)
    before = f", before {_rate(done.before)} ({done.after / done.before:.1f} times)" if done.before else ""
    print(f"{done.path}: {_rate(done.after)}{before}")
    print(f"{done.after_bytes / 1e6:,.1f} MB on disk, before {done.before_bytes / 1e6:,.1f} MB")
    return 0


def _rate(windows_per_s: float) -> str:
    return f"{windows_per_s:,.0f} windows of {WINDOW_FRAMES} frames a second"
