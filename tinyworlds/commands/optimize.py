"""``tinyworlds optimize FILE.h5 [OUT]``: rewrite a gameplay file so that it reads fast."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.data.cache import reads_slowly
from tinyworlds.data.optimize import WINDOW_FRAMES, measure_rate, optimize
from tinyworlds.data.schema import read_info
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.system.options import call


def main(argv: list[str]) -> int:
    """Run ``tinyworlds optimize FILE.h5 [OUT]``."""
    return call(optimize_command, argv, "tinyworlds optimize", by_position="out")


def optimize_command(file: str, out: str | None = None, raw: bool = False, force: bool = False) -> int:
    """Rewrite a gameplay file so that it reads fast; attributes and other data sets stay as they are.

    Args:
        file: the gameplay file.
        out: where the rewritten file goes; default: in place of FILE, once it is complete and compared.
        raw: store the frames unpacked and in one piece: the fastest, as large as they are in memory.
        force: rewrite a file in place that reads well as it is, or replace OUT.
    """
    info = read_info(file)
    if out is not None and Path(out).exists() and not force:
        raise DataError(f"{out} exists already; choose another name or pass --force")
    if out is not None and Path(out).suffix.lower() not in (".h5", ".hdf5"):
        raise ConfigError(f"OUT is {out}; a gameplay file ends in .h5, so call it {out}.h5")
    if out is None and not force and not raw and not reads_slowly(info):
        print(
            f"{file} reads well as it is: {_rate(measure_rate(info.path))}; --force rewrites it all the same"
        )
        return 0
    done = optimize(file, out, raw)
    print(
        f"{done.path}: {_rate(done.after)}, before {_rate(done.before)} "
        f"({done.after / done.before:.1f} times)"
    )
    print(f"{done.after_bytes / 1e6:,.1f} MB on disk, before {done.before_bytes / 1e6:,.1f} MB")
    return 0


def _rate(windows_per_s: float) -> str:
    return f"{windows_per_s:,.0f} windows of {WINDOW_FRAMES} frames a second"
