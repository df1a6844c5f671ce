"""Playing what was asked for: choice of a view, an orderly end, and what is said about both."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import DisplayError, StorageError
from tinyworlds.keys import do_nothing, keys_without_meaning, parse_script
from tinyworlds.media.suffixes import check_clip_path
from tinyworlds.play import opening
from tinyworlds.play.options import allowed_hosts, check_options
from tinyworlds.shipped import own_copy
from tinyworlds.system.exits import INTERRUPTED
from tinyworlds.system.files import check_writable, portable_name

if TYPE_CHECKING:
    from tinyworlds.play.beside import OpenGame
    from tinyworlds.play.browser import BrowserView
    from tinyworlds.play.headless import ScriptedView
    from tinyworlds.play.opening import Played
    from tinyworlds.play.session import Session
    from tinyworlds.play.session_log import ReplayView, SessionLog
    from tinyworlds.play.window.view import Window

_CLIP_PX = 512

OpenOther = Callable[[Sequence[str | Path], argparse.Namespace], Any]
Ended = tuple[int, Path | None]
"""The exit code, and the world that the player wants to see next."""


def launch(
    args: argparse.Namespace,
    *paths: str | Path,
    open_game: OpenGame | None = None,
    open_other: OpenOther | None = None,
) -> int:
    """Play the world or the two worlds in `paths` as `tinyworlds.play.options` ask; return the exit code.

    Where the player chooses another world in the window's menu, that is played next.

    Args:
        args: the options.
        paths: the worlds.
        open_game: opens the real game for ``--real``.
        open_other: opens what is no world of ours but can be played, with its real game if asked for; says
            None to all else.

    Raises:
        TinyWorldsError: what is wrong with a world, an option or the display.
    """
    while True:
        code, chosen = _launch(args, paths, open_game, open_other)
        if chosen is None:
            return code
        args, paths = opening.for_another(args), (chosen,)


def _launch(
    args: argparse.Namespace,
    paths: Sequence[str | Path],
    open_game: OpenGame | None,
    open_other: OpenOther | None,
) -> Ended:
    from tinyworlds.play.session_log import SessionLog

    check_options(args)
    if args.out:
        check_clip_path(args.out)
        check_writable(args.out)
    if args.record:
        check_writable(Path(args.recordings) / "clip.mp4")
    script = parse_script(args.keys) if args.keys is not None else None
    replayed = SessionLog.read(args.replay) if args.replay else None
    browser = not (args.headless or args.replay) and (args.browser or not _has_window(args.window))
    with contextlib.ExitStack() as running:
        other = open_other(paths, args) if open_other is not None else None
        if other is not None:
            return _play(
                args, running.enter_context(contextlib.closing(other)), paths, script, replayed, browser
            )
        world = opening.load(paths, args, replayed)
        if args.real is not None:
            world = running.enter_context(contextlib.closing(opening.with_game(world, args, open_game)))
        return _play(args, world, paths, script, replayed, browser)


def _play(
    args: argparse.Namespace,
    world: Played,
    paths: Sequence[str | Path],
    script: list[str | None] | None,
    replayed: SessionLog | None,
    browser: bool,
) -> Ended:
    if args.govern:
        opening.govern(world, args)
    print(
        f"{world.game or paths[0]}: {world.num_actions} actions, {world.fps:g} frames/s, on {world.device}",
        flush=True,
    )
    if replayed is not None:
        return _replay(args, world, replayed), None
    if script is not None:
        return _play_headless(args, world, script), None
    return _play_live(args, world, paths, browser)


def _has_window(insist: bool) -> bool:
    """Whether a window can be opened; says why the browser takes its place, or raises if one is a must."""
    from tinyworlds.play.window.display import require_display

    try:
        require_display()
    except DisplayError as error:
        if insist:
            raise
        print(f"{str(error).split(':')[0]}: playing in the browser instead", file=sys.stderr)
        return False
    return True


def _play_headless(args: argparse.Namespace, world: Played, script: list[str | None]) -> int:
    from tinyworlds.play.headless import ScriptedView

    session, log = _session(args, world)
    commands = [command.key for command in session.commands]
    if unused := keys_without_meaning(script, session.key_map, commands):
        print(f"note: {do_nothing(unused, session.key_map)}", file=sys.stderr)
    return _play_to_clip(args, world, session, ScriptedView(script), log)


def _replay(args: argparse.Namespace, world: Played, log: SessionLog) -> int:
    from tinyworlds.play.session import Session
    from tinyworlds.play.session_log import ReplayView, check_replayable

    if note := check_replayable(log, world, args.real):
        print(f"note: {note}", file=sys.stderr)
    session = Session(world, fps=log.fps, seed=log.seed)
    session.key_map = dict(log.key_map)
    return _play_to_clip(args, world, session, ReplayView(log), None)


def _play_to_clip(
    args: argparse.Namespace,
    world: Played,
    session: Session,
    view: ScriptedView | ReplayView,
    log: SessionLog | None,
) -> int:
    from tinyworlds.play.headless import write_clip
    from tinyworlds.play.pacing import play_through

    code = 0
    try:
        play_through(session, view)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if not view.frames:
        return code
    out = Path(args.out or f"{portable_name(world.game, 'world')}_play.mp4")
    path = write_clip(out, view.frames, session.fps, scale=_clip_scale(world))
    print(f"{len(view.frames)} frames, {view.frames[-1].fps:.1f} frames/s: {path}")
    failed = _say_saved(session, log)
    return code or failed


def _play_live(args: argparse.Namespace, world: Played, paths: Sequence[str | Path], browser: bool) -> Ended:
    from tinyworlds.play.pacing import play

    session, log = _session(args, world)
    view = _browser(args, world, session) if browser else _window(args, world, session)
    code, failed = 0, 0
    try:
        while True:
            try:
                play(session, view)
            except KeyboardInterrupt:
                code = INTERRUPTED
            page: Any = None if code or not hasattr(view, "wants_another") else view  # windows have a menu
            if page is None:
                view.close()
            print(session.pace.summary(), flush=True)
            failed = _say_saved(session, log) or failed
            if page is None:
                break
            print("a page can play again; all ends with the last page that is closed, or Ctrl-C", flush=True)
            if not page.wants_another():
                break
            session, log = _another_session(args, world, session)
            page.begin(_recorded(session))
    finally:
        view.close()
        args.fullscreen = getattr(view, "fullscreen", False)
    if session.rebound:
        _store_keys(paths, world, session)
    return code or failed, getattr(view, "next_world", None)


def _store_keys(paths: Sequence[str | Path], world: Played, session: Session) -> None:
    """Keep the keys that the player changed, so that every front end has them from now on."""
    from tinyworlds.play.beside import Beside
    from tinyworlds.world.keys import Keys, write_keys

    path = Path(paths[0])
    if len(paths) > 1:
        print("the changed keys of two worlds together are not kept: change them in each alone")
        return
    if path.suffix != ".world":
        print(f"{path} is no .world file, so the changed keys are not kept: export it first")
        return
    rebound = session.rebound
    if isinstance(world, Beside):
        rebound, world = {key: world.dreamt(pair) for key, pair in rebound.items()}, world.dream
    key_map = {**world.key_map, **rebound}
    path = own_copy(path)
    write_keys(path, Keys(key_map, tuple(world.action_names), world.idle_action))
    print(f"saved the changed keys in {path}")


def _window(args: argparse.Namespace, world: Played, session: Session) -> Window:
    from tinyworlds.checkpoints.titles import all_worlds
    from tinyworlds.play.side_by_side import SideBySide
    from tinyworlds.play.window.view import Window

    return Window(
        f"TinyWorlds {world.game}".strip(),
        session.hints,
        world.num_actions,
        session.notes,
        smooth=args.smooth,
        commands=session.commands,
        fullscreen=args.fullscreen,
        worlds=all_worlds(),
        pair=world if isinstance(world, SideBySide) else None,
    )


def _browser(args: argparse.Namespace, world: Played, session: Session) -> BrowserView:
    from tinyworlds.play.browser import BrowserView
    from tinyworlds.play.side_by_side import SideBySide
    from tinyworlds.play.window.display import has_display

    view = BrowserView(
        f"TinyWorlds {world.game}".strip(),
        session.hints,
        world.action_names,
        world.num_actions,
        session.fps,
        session.notes,
        host=args.host or "127.0.0.1",
        port=args.port,
        allowed_hosts=allowed_hosts(args.allow_host),
        commands=session.commands,
        recorded=_recorded(session),
        pair=world if isinstance(world, SideBySide) else None,
    )
    print(f"play at {view.url}   (Ctrl-C ends it)", flush=True)
    if has_display():
        import webbrowser

        webbrowser.open(view.url)
    return view


def _session(args: argparse.Namespace, world: Played) -> tuple[Session, SessionLog]:
    from tinyworlds.keys import KeyEvent
    from tinyworlds.play.recorder import Recorder, recording_path
    from tinyworlds.play.session import Session
    from tinyworlds.play.session_log import new_log

    fps, scale = args.fps or world.fps, _clip_scale(world)
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed

    def new_recorder() -> Recorder:
        path, source = recording_path(world.game, args.recordings), f"tinyworlds play {world.game}".strip()
        return Recorder(path, fps, scale, world.action_names, world.idle_action, source)

    log = new_log(world, seed, fps, args.real)
    session = Session(world, fps=fps, seed=seed, new_recorder=new_recorder, on_events=log.note)
    if args.record:
        session.handle([KeyEvent("v")])
    return session, log


def _recorded(session: Session) -> Callable[[], list[Path]]:
    return lambda: session.recordings


def _another_session(args: argparse.Namespace, world: Played, before: Session) -> tuple[Session, SessionLog]:
    """A session like the one before it, with the keys that the player changed."""
    session, log = _session(args, world)
    session.key_map, session.rebound = dict(before.key_map), dict(before.rebound)
    log.key_map = dict(before.key_map)
    return session, log


def _say_saved(session: Session, log: SessionLog | None) -> int:
    """Say what was recorded and what could not be; return the exit code."""
    recorded = session.close()
    if recorded and log is not None:
        log.complete(session.world, session.num_ticks)
        recorded.append(log.write(recorded[0].with_suffix(".json")))
    for path in recorded:
        print(f"saved {path}")
    for failure in session.failures:
        print(f"error: {failure}", file=sys.stderr)
    return StorageError.exit_code if session.failures else 0


def _clip_scale(world: Played) -> int:
    return max(_CLIP_PX // max(world.frame_shape[:2]), 1)
