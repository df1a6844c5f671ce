"""``tinyworlds ingest PATH... --game NAME``: your own videos to a gameplay file that can be trained on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.file_kinds import PICTURE, VIDEO, expect
from tinyworlds.errors import TinyWorldsError
from tinyworlds.sources.ingest.settings import Settings, format_time, parse_crop, parse_time
from tinyworlds.system.options import Positive, PositiveFloat, call
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    from games.spec import GameSpec
    from tinyworlds.sources.ingest.assemble import VideoRecord
    from tinyworlds.sources.ingest.pieces import State
    from tinyworlds.sources.ingest.run import Ingested

_MANY_REPEATS = 0.25


def main(argv: list[str]) -> int:
    """Run ``tinyworlds ingest``; return 0, or 1 if a video could not be used."""
    return call(
        ingest_command,
        argv,
        "tinyworlds ingest",
        sections={
            "what is kept": ("size", "fps", "crop", "start", "skip_static", "keep_truncated"),
            "how": ("source_fps", "processes", "overwrite"),
        },
        examples=(
            "tinyworlds ingest my_gameplay/ --game mygame",
            "tinyworlds ingest capture.mp4 --game mygame --start 0:30 --skip_static",
        ),
    )


def ingest_command(
    paths: list[str],
    *,
    game: str,
    size: Positive | None = None,
    fps: PositiveFloat | None = None,
    source_fps: PositiveFloat | None = None,
    crop: str = "auto",
    start: str = "0",
    skip_static: bool = False,
    processes: Positive | None = None,
    keep_truncated: bool = False,
    overwrite: bool = False,
) -> int:
    """Turn gameplay videos into a gameplay file to train on.

    Args:
        paths: videos, numbered pictures, or folders of either.
        game: the game's name, one lower-case word.
        size: height and width of the frames in pixels (default: 64).
        fps: frames per second to keep (default: 15).
        source_fps: numbered pictures a second (default: as --fps, so that each becomes a frame).
        crop: auto cuts black bars, none keeps all, left,top,width,height keeps that part.
        start: time to leave out at the beginning of each video, M:SS.
        skip_static: leave out menus, pauses and other stretches that show nothing new for over a second.
        processes: videos decoded at a time (default: one a processor).
        keep_truncated: use what can be read of videos that are cut short.
        overwrite: begin anew instead of appending to the game's file.
    """
    from tinyworlds.sources.ingest.game_file import spec_for, write_spec
    from tinyworlds.sources.ingest.run import ingest

    expect("ingest", paths, VIDEO, PICTURE)
    spec = spec_for(game, size, fps)
    settings = Settings(
        spec.frame_size, spec.fps, parse_crop(crop), parse_time(start), keep_truncated, source_fps
    )
    try:
        done = ingest(
            paths, spec.data_file, settings, skip_static, processes, overwrite, say_error=_say_error
        )
    except KeyboardInterrupt:
        print("what is decoded is kept: the same command goes on", file=sys.stderr)
        raise
    _say(done, settings)
    if done.added or done.present:  # the latter, too: the last call may have been killed just before this
        _finish(done.out, write_spec(spec), spec)
    return TinyWorldsError.exit_code if done.errors else 0


def _say_error(error: TinyWorldsError) -> None:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)


def _say(done: Ingested, settings: Settings) -> None:
    for name in done.present:
        print(f"{name}: is in {done.out} already, as it was read then")
    if done.present:
        print("--overwrite begins anew, with the options given now")
    for name, same in done.twins:
        print(f"{name}: is the same as {same}")
    for record, state in done.added:
        print(f"{record.name}: {', '.join(_facts(record, state, settings))}")
    for note in done.notes:
        print(f"note: {note}")
    if not done.added:
        print(f"nothing was added{'' if done.out.exists() else f', so there is no {done.out}'}")


def _facts(record: VideoRecord, state: State, settings: Settings) -> list[str]:
    facts = [f"{format_time(state.seconds)} of {state.width}x{state.height}"]
    parts = "packets"
    if state.num_pictures is not None:
        parts, rate = "pictures", settings.source_fps or settings.fps
        facts[0] = f"{state.num_pictures:,} pictures of {state.width}x{state.height}, {rate:g} a second"
    if state.crop is not None:
        left, top, width, height = state.crop
        bars = "black bars cut: " if settings.crop == "auto" else "cropped: "
        facts.append(f"{bars}{width}x{height} at {left},{top} left")
    facts.append(f"{record.num_frames:,} frames")
    facts += [f"{record.num_cuts:,} scene cuts"] if record.num_cuts else []
    facts += [f"{len(state.breaks):,} gaps in its times"] if state.breaks else []
    facts += [f"{state.num_changes:,} changes of its pictures' size or format"] if state.num_changes else []
    facts += [f"{record.num_dropped:,} still ones left out"] if record.num_dropped else []
    facts += [f"{state.num_damaged:,} damaged {parts} passed over"] if state.num_damaged else []
    repeats = record.num_repeats / max(record.num_frames + record.num_dropped, 1)
    if repeats > _MANY_REPEATS and not record.num_dropped:
        facts.append(
            f"{repeats:.0%} look like the frame before (--skip-static or a lower --fps leave such out)"
        )
    return facts


def _finish(out: Path, spec_file: Path | None, spec: GameSpec) -> None:
    from tinyworlds.checkpoints.run_folder import default_run
    from tinyworlds.data.contact_sheet import save_contact_sheet, sheet_path
    from tinyworlds.data.schema import read_info

    info = read_info(out)
    print(
        f"{out}: {info.num_frames:,} frames of {info.width}x{info.height} at {info.rate:g} fps, "
        f"{info.num_frames / info.rate / 60:.1f} min of play"
    )
    print(f"look at {save_contact_sheet(out, sheet_path(out))} before training")
    if spec_file is not None:
        print(f"{spec_file}: name, keys and rate of the game, to be edited as you like")
    if spec.skip_frames:
        print(
            f"note: {spec.name} leaves out the first {spec.skip_frames:,} frames of its file; "
            "train with --data.skip_frames 0 to use them"
        )
    fresh = ["--fresh"] if (default_run(spec.name) / "run.json").exists() else []
    print(f"train a world of it with: {shown_command('train', spec.name, *fresh)}")
