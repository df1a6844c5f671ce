"""A whole ingest: which videos are new, extract them side by side, assemble, draw the contact sheet."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinyworlds.errors import TinyWorldsError
from tinyworlds.sources.ingest.assemble import Extracted, VideoRecord, assemble, read_records
from tinyworlds.sources.ingest.extract import PIECE_BYTES, Job, extract, look_at
from tinyworlds.sources.ingest.files import Source, content_of, find_videos, num_bytes
from tinyworlds.sources.ingest.letterbox import Crops, Lit, common_crops, differences
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.pool import Work, in_processes
from tinyworlds.sources.ingest.settings import Settings
from tinyworlds.system.cores import num_cores
from tinyworlds.system.files import storing
from tinyworlds.system.locks import locked
from tinyworlds.system.progress import progress_bar

_WORK = ".ingest"


@dataclass(frozen=True)
class Ingested:
    """What an ingest did.

    Attributes:
        out: the gameplay file, whether or not it is there now.
        added: the videos appended by this call, each with what was found in it.
        present: names of videos that were in the file before.
        twins: names of videos that are the same as another one of this call, which is named second.
        errors: what was wrong with those that are not used.
        notes: what to know about the black bars of those that are.
    """

    out: Path
    added: list[tuple[VideoRecord, State]]
    present: list[str]
    twins: list[tuple[str, str]]
    errors: list[TinyWorldsError]
    notes: list[str] = field(default_factory=list)


def ingest(
    paths: Sequence[str | Path],
    out: str | Path,
    settings: Settings | None = None,
    skip_static: bool = False,
    num_processes: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    say_error: Callable[[TinyWorldsError], None] = lambda error: None,
    piece_bytes: int = PIECE_BYTES,
) -> Ingested:
    """Append videos to a gameplay file, which is made if it is not there; unusable ones are passed over.

    Interrupted at any moment, the same call goes on where it stopped; `out` is complete at all times.

    Args:
        paths: videos, and folders of videos.
        out: the gameplay file.
        settings: how the videos become frames; the default ones if None.
        skip_static: leave out stretches that show nothing new, such as menus.
        num_processes: videos decoded at a time; None takes one for each processor.
        overwrite: begin anew if `out` exists.
        progress: show bars with the time left.
        say_error: called as soon as a video turns out to be of no use.
        piece_bytes: frames, in bytes of memory, that an interruption may cost for each process.

    Raises:
        DataError: `out` was made by something else.
        ConfigError: `out` holds frames of another size or rate.
        StorageError: the disk is full or `out` cannot be written.
    """
    out, settings = Path(out), settings or Settings()
    work = out.parent / _WORK / out.stem
    with storing(out):
        work.mkdir(parents=True, exist_ok=True)
        with locked(work.with_suffix(".lock"), f"ingesting to {out}"):
            return _Ingest(out, work, settings, skip_static, progress, say_error, piece_bytes).run(
                paths, num_processes or num_cores(), overwrite
            )


@dataclass
class _Ingest:
    """One call, with the work folder locked."""

    out: Path
    work: Path
    settings: Settings
    skip_static: bool
    progress: bool
    say_error: Callable[[TinyWorldsError], None]
    piece_bytes: int

    def run(self, paths: Sequence[str | Path], num_processes: int, overwrite: bool) -> Ingested:
        if overwrite:
            shutil.rmtree(self.work, ignore_errors=True)
        exists = self.out.exists() and not overwrite
        old = read_records(self.out, self.settings) if exists else []
        self._sweep()
        sources, errors = find_videos(paths)
        for error in errors:
            self.say_error(error)
        new, present, twins = self._sort(sources, {record.content for record in old})
        jobs = self._jobs(new, num_processes)
        crops, notes = self._choose_crops(jobs, old, num_processes, errors)
        videos = self._extract(jobs, crops, num_processes, errors)
        added = self._assemble(old, videos, errors)
        shutil.rmtree(self.work, ignore_errors=True)
        return Ingested(self.out, added, present, twins, errors, notes)

    def _sweep(self) -> None:
        """Remove a file that was whole and not yet in its place when its process was killed."""
        self.work.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            (self.work / "whole.h5").unlink(missing_ok=True)

    def _sort(
        self, paths: Sequence[Source], contents: set[str]
    ) -> tuple[dict[str, Source], list[str], list[tuple[str, str]]]:
        """Tell videos that are new, by content, from those in the file and those that come twice."""
        new: dict[str, Source] = {}
        present: list[str] = []
        twins: list[tuple[str, str]] = []
        for path in paths:
            try:
                content = content_of(path)
            except OSError:
                content = f"unreadable {path}"  # the reader says what is wrong with it
            if content in contents:
                present.append(path.name)
            elif content in new:
                twins.append((path.name, new[content].name))
            else:
                new[content] = path
        return new, present, twins

    def _jobs(self, new: dict[str, Source], num_processes: int) -> dict[str, Job]:
        """Return the job of each new video, by its content."""
        threads = max(1, num_cores() // (min(num_processes, len(new)) or 1))
        return {
            content: Job(source, self.work / content, self.settings, threads, self.piece_bytes)
            for content, source in new.items()
        }

    def _choose_crops(
        self, jobs: dict[str, Job], old: list[VideoRecord], num_processes: int, errors: list[TinyWorldsError]
    ) -> tuple[Crops | None, list[str]]:
        """Look for black bars in all videos together; those of no use are taken out of `jobs`."""
        known = Crops.from_json(box for record in old for box in record.crops or [])
        if self.settings.crop != "auto" or (len(jobs) < 2 and not known.boxes):
            return None, []
        looks: dict[str, list[Lit]] = {}
        contents = list(jobs)
        with progress_bar("looking for black bars", len(jobs), self.progress and bool(jobs)) as advance:
            for number, result in self._do(
                look_at, jobs, num_processes, lambda number, position: None, errors
            ):
                looks[contents[number]] = result
                advance(1)
        for content in [content for content in contents if content not in looks]:
            del jobs[content]
        crops = common_crops((lit for content in jobs for lit in looks[content]), known)
        notes = [
            note
            for content, job in jobs.items()
            for note in differences(job.path.name, looks[content], crops)
        ]
        return crops, notes

    def _extract(
        self, jobs: dict[str, Job], crops: Crops | None, num_processes: int, errors: list[TinyWorldsError]
    ) -> list[Extracted]:
        jobs = {
            content: replace(job, crops=crops, folder=self._folder(content, crops))
            for content, job in jobs.items()
        }
        contents, sources = list(jobs), [job.path for job in jobs.values()]
        done: dict[int, State] = {}
        with _byte_progress(sources, self.progress) as reached:
            for number, state in self._do(extract, jobs, num_processes, reached, errors):
                reached(number, num_bytes(sources[number]))
                done[number] = state
        return [
            Extracted(sources[number], contents[number], Pieces(jobs[contents[number]].folder), done[number])
            for number in sorted(done)
        ]

    def _do(
        self,
        work: Work,
        jobs: dict[str, Job],
        num_processes: int,
        reached: Callable[[int, int], None],
        errors: list[TinyWorldsError],
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number and result of each job that succeeds; note and say the others' errors."""
        count = min(num_processes, len(jobs)) or 1
        for number, result in in_processes(work, list(jobs.values()), count, reached):
            if isinstance(result, TinyWorldsError):
                errors.append(result)
                self.say_error(result)
            else:
                yield number, result

    def _folder(self, content: str, crops: Crops | None) -> Path:
        words = json.dumps([self.settings.as_json(), crops and crops.as_json()], sort_keys=True)
        return self.work / f"{content}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"

    def _assemble(
        self, old: list[VideoRecord], videos: list[Extracted], errors: list[TinyWorldsError]
    ) -> list[tuple[VideoRecord, State]]:
        if not videos:
            return []
        total = sum(r.num_frames for r in old) + sum(v.state.num_frames for v in videos)
        with progress_bar(f"writing {self.out}", total, self.progress) as advance:
            results = assemble(self.out, self.work, old, videos, self.settings, self.skip_static, advance)
        added = []
        for result, video in zip(results, videos, strict=True):
            if isinstance(result, VideoRecord):
                added.append((result, video.state))
            else:
                errors.append(result)
                self.say_error(result)
        return added


@contextlib.contextmanager
def _byte_progress(paths: Sequence[Source], enabled: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes a video's number and the bytes of it read so far."""
    positions = [0] * len(paths)
    size = sum(num_bytes(path) for path in paths)
    with progress_bar("decoding", size, enabled and bool(paths), in_bytes=True) as advance:

        def reached(number: int, position: int) -> None:
            if position > positions[number]:
                advance(position - positions[number])
                positions[number] = position

        yield reached
