"""Run as a process of its own: reads a gameplay file and prints, as JSON, how much memory that took.

    python -m tinyworlds.bench.memory FILE windows 2000     # training windows through H5DataModule
    python -m tinyworlds.bench.memory FILE windows 0        # only its imports
    python -m tinyworlds.bench.memory FILE everything 9000  # all of the first frames at once, as floats

Nothing is imported before torch, whose import is what memory is counted from.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")  # on Linux
_BATCH = 32


def memory() -> dict[str, int]:
    """Bytes: `rss` and `anonymous` now, and the process's `peak` so far; what the system does not tell lacks.

    Pages of files (a memory map's) are part of `rss` and `peak`, not of `anonymous`.
    """
    names = {"VmRSS:": "rss", "RssAnon:": "anonymous", "VmHWM:": "peak"}
    if _STATUS.exists():
        lines = [line.split() for line in _STATUS.read_text(encoding="utf-8").splitlines()]
        return {names[line[0]]: int(line[1]) * 1024 for line in lines if line and line[0] in names}
    try:
        import resource
    except ImportError:  # Windows
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def read_windows(path: str, count: int) -> int:
    """Read training windows as a run does, unpacked copy included; returns the most anonymous bytes."""
    from tinyworlds.data import H5DataModule

    if not count:
        return memory().get("anonymous", 0)
    data = H5DataModule(files=path, batch_size=_BATCH, steps_per_epoch=-(-count // _BATCH))
    data.prepare_data()
    data.setup("fit")
    most = 0
    for batch in data.train_dataloader():
        data.on_after_batch_transfer(batch, 0)
        most = max(most, memory().get("anonymous", 0))
    return most


def read_everything(path: str, count: int) -> int:
    """Load the first `count` frames and scale them to [-1, 1]; returns the anonymous bytes after it."""
    import h5py
    import torch

    with h5py.File(path, "r") as file:
        frames = torch.from_numpy(file["frames"][:count])
    floats = frames.float() / 127.5 - 1
    return memory().get("anonymous", 0) * (len(floats) > 0)


def main(path: str, what: str, count: str) -> None:
    """Read and print."""
    import torch  # noqa: F401

    before = memory()
    anonymous = {"windows": read_windows, "everything": read_everything}[what](path, int(count))
    after = memory()
    report = {}
    if "peak" in after:
        report["peak"] = after["peak"] - before.get("rss", before["peak"])
    if "anonymous" in after:
        report["anonymous"] = anonymous - before["anonymous"]
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
