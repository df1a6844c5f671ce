"""What reading costs: windows a second from three layouts of the same frames, and the memory of a reader.

The layouts are that of public files (h5py's automatic chunks, lzf), that of our writer, and the copy in one
piece that our cache makes of the first. Files were just written, so the system holds them in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from tinyworlds.bench.layouts import Source, unpack, write_ours, write_published
from tinyworlds.bench.pairing import Pairing
from tinyworlds.bench.report import Table, in_digits, ratio_cell
from tinyworlds.data import H5DataModule

PUBLISHED = "as published"
OURS = "our own"
CACHE = "our cache"
_WINDOW_FRAMES = 4  # as v1 trains
_BATCH = 8
_EVERYTHING_BYTES = 250_000_000  # loading everything takes many times this

Say = Callable[[str], object]


@dataclass(frozen=True)
class ReadingFigures:
    """Windows a second.

    Attributes:
        shape: of the frames, [N, H, W, 3].
        num_frames: of a window.
        sources: the layouts by name.
        times: seconds a window by layout and number of workers, see `_label`.
        num_workers: numbers of reader processes.
    """

    shape: tuple[int, ...]
    num_frames: int
    sources: Mapping[str, Source]
    times: Pairing
    num_workers: tuple[int, ...]

    def tables(self) -> list[Table]:
        """Return one table: windows read a second, by storage and number of workers."""
        rows = []
        for name, source in self.sources.items():
            row = [name, source.storage, f"{source.stored_bytes / 1e6:,.0f} MB"]
            for workers in self.num_workers:
                row.append(in_digits(1 / self.times.timing(_label(name, workers)).median))
                row.append(ratio_cell(self.times, _label(PUBLISHED, workers), _label(name, workers)))
            rows.append(tuple(row))
        heads = [(f"{n} worker{'s' * (n != 1)}", "times faster") for n in self.num_workers]
        columns = ("layout", "storage", "on disk", *(cell for head in heads for cell in head))
        title = (
            f"Windows a second: {self.num_frames} frames of {self.shape[2]}x{self.shape[1]} out of "
            f"{self.shape[0]:,} ({self.times.rounds} rounds in turn)"
        )
        note = "the files were just written, so they are read from the system's memory, not from the disk"
        return [Table(title, columns, tuple(rows), (note,))]

    def to_dict(self) -> dict[str, Any]:
        """Seconds a window."""
        layouts = {
            name: {
                "storage": source.storage,
                "stored_bytes": source.stored_bytes,
                "write_seconds": source.write_seconds,
            }
            for name, source in self.sources.items()
        }
        return {"shape": list(self.shape), "num_frames": self.num_frames, "layouts": layouts} | (
            self.times.to_dict()
        )


@dataclass(frozen=True)
class MemoryFigures:
    """Memory of processes that read, in bytes more than after importing torch.

    Attributes:
        peaks: by way of reading: `peak`, and `anonymous`, the most that is no page of a file.
        data_bytes: by way of reading, the raw bytes of the frames.
        num_windows: windows that were read.
    """

    peaks: Mapping[str, Mapping[str, int]]
    data_bytes: Mapping[str, int]
    num_windows: int

    def tables(self) -> list[Table]:
        """Return one table: memory of the process that reads, by way of reading."""
        rows = []
        for name, found in self.peaks.items():
            size = self.data_bytes[name]
            peak, anonymous = (_megabytes(found.get(key)) for key in ("peak", "anonymous"))
            share = f"{found['peak'] / size:.2f}" if size and "peak" in found else ""
            rows.append((name, _megabytes(size), peak, share, anonymous))
        columns = ("", "frames", "peak", "of the frames' size", "without pages of files")
        note = f"beyond importing torch; {self.num_windows:,} windows are read, the copy is made on the way"
        return [Table("Memory of the process that reads", columns, tuple(rows), (note,))]

    def to_dict(self) -> dict[str, Any]:
        """Return bytes by way of reading."""
        found = {name: dict(values) | {"data": self.data_bytes[name]} for name, values in self.peaks.items()}
        return {"num_windows": self.num_windows, "bytes": found}


def measure(
    num_bytes: float,
    frame_size: int,
    rounds: int,
    seconds: float,
    num_workers: Sequence[int] = (0, 2),
    num_windows: int = 2000,
    folder: str | Path | None = None,
    say: Say = lambda text: None,
) -> tuple[ReadingFigures, MemoryFigures]:
    """Write the files, read windows of them, and look at the memory of readers.

    Args:
        num_bytes: raw size of the frames.
        frame_size: in pixels.
        rounds: of reading.
        seconds: that each layout is read for in a round.
        num_workers: numbers of reader processes.
        num_windows: to read while memory is watched.
        folder: where a temporary folder is made; None for the system's place.
        say: told what is being done.
    """
    frame_bytes = frame_size**2 * 3
    count = max(200, int(num_bytes / frame_bytes))
    with tempfile.TemporaryDirectory(dir=folder, prefix="tinyworlds-bench-") as name:
        say(f"data: writing {count:,} frames in two layouts")
        sources = {
            PUBLISHED: write_published(Path(name) / "published_frames.h5", count, frame_size),
            OURS: write_ours(Path(name) / "ours_frames.h5", count, frame_size),
        }
        say("data: memory of reading processes")
        memory = measure_memory(sources[PUBLISHED].path, count, frame_bytes, num_windows)
        sources[CACHE] = unpack(sources[PUBLISHED])
        say("data: windows a second")
        times = read_in_turn(sources, num_workers, rounds, seconds)
    shape = (count, frame_size, frame_size, 3)
    return ReadingFigures(shape, _WINDOW_FRAMES, sources, times, tuple(num_workers)), memory


def read_in_turn(
    sources: Mapping[str, Source], num_workers: Sequence[int], rounds: int, seconds: float
) -> Pairing:
    """Read each layout with each number of workers for a while, several times over: seconds a window."""
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for workers in num_workers:
            for name, source in sources.items():
                taken.setdefault(_label(name, workers), []).append(
                    _seconds_a_window(source, workers, seconds)
                )
    return Pairing({name: tuple(values) for name, values in taken.items()})


def _seconds_a_window(source: Source, workers: int, seconds: float) -> float:
    with closing(_batches(loader_of(source, workers))) as batches:
        for _ in range(1 + 2 * workers):  # processes have started, and what was read ahead is used up
            next(batches)
        begun, windows = time.perf_counter(), 0
        while not windows or time.perf_counter() - begun < seconds:
            windows += next(batches)
        return (time.perf_counter() - begun) / windows


def loader_of(source: Source, workers: int) -> DataLoader:
    """Training batches as a run gets them."""
    data = H5DataModule(
        files=str(source.path),
        num_frames=_WINDOW_FRAMES,
        batch_size=_BATCH,
        num_workers=workers,
        cache=source.cached,
        steps_per_epoch=10**6,  # more than anyone reads
    )
    data.setup("fit")
    return data.train_dataloader()


def _batches(loader: DataLoader) -> Generator[int]:
    """The number of windows of each batch; ends its workers when closed."""
    for batch in loader:
        yield len(batch["frames"])


def measure_memory(path: Path, count: int, frame_bytes: int, num_windows: int) -> MemoryFigures:
    """Read the file in processes of their own; the data module makes its copy on the way."""
    few = min(count, _EVERYTHING_BYTES // frame_bytes)
    ways = {
        "our data module": ("windows", num_windows, count),
        "of that, imports": ("windows", 0, 0),
        "everything at once, as floats": ("everything", few, few),
    }
    peaks = {name: _peak(path, what, number) for name, (what, number, _) in ways.items()}
    sizes = {name: frames * frame_bytes for name, (_, _, frames) in ways.items()}
    return MemoryFigures(peaks, sizes, num_windows)


def _peak(path: Path, what: str, count: int) -> dict[str, int]:
    words = [sys.executable, "-m", "tinyworlds.bench.memory", str(path), what, str(count)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _label(layout: str, workers: int) -> str:
    return f"{layout}, {workers} workers"


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.0f} MB"
