"""The options of ``tinyworlds play`` and ``python -m games.<title>``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from tinyworlds.errors import ConfigError
from tinyworlds.system.options import OptionParser, natural, positive

WORLD_SETTINGS = (
    "num_steps", "temperature", "top_k", "top_p", "schedule", "context_frames", "feedback", "precision",
    "compile", "cuda_graphs",
)  # fmt: skip
"""Options that are arguments of `World`."""

_ONLY_WITH = {
    "keys": ("headless",),
    "out": ("headless", "replay"),
    "host": ("browser",),
    "port": ("browser",),
    "allow_host": ("browser",),
}
_NOT_WITH = {"fullscreen": ("browser", "headless", "replay")}


def play_parser(prog: str, description: str) -> OptionParser:
    """All options except which world to play."""
    file = "" if prog.startswith("python") else " doom"
    parser = OptionParser(
        prog,
        description=description,
        examples=(f"{prog}{file}", f"{prog}{file} --headless --keys 'd*20 space*6 a*20' --out clip.mp4"),
    )
    _add_views(parser.add_argument_group("where it is seen"))
    _add_session(parser.add_argument_group("the session"))
    _add_decoding(parser.add_argument_group("how frames are drawn"))
    return parser


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, before anything slow happens.

    Raises:
        ConfigError: names the options and what to do.
    """
    for name, needed in _ONLY_WITH.items():
        if getattr(args, name) is not None and not any(getattr(args, view) for view in needed):
            wanted = " or ".join(f"--{view}" for view in needed)
            raise ConfigError(f"--{name} goes with {wanted}; add it, or leave --{name} out")
    for name, views in _NOT_WITH.items():
        if getattr(args, name) and (view := next((view for view in views if getattr(args, view)), None)):
            raise ConfigError(f"--{name} is for the window; leave it or --{view} out")
    if args.replay and args.govern:
        raise ConfigError("--replay repeats a session with its own decoding steps; leave --govern out")
    if args.real is not None and args.start:
        raise ConfigError("--real starts the dream from the game's own first frames; leave --start out")
    if args.headless and args.keys is None:
        raise ConfigError("--headless needs the keys to press, for example --keys 'w*10 d*20'")


def allowed_hosts(given: Sequence[str] | None) -> list[str]:
    """Return the names that pages may come by: those of the option and of the environment."""
    names = [*(given or ()), os.environ.get("TINYWORLDS_ALLOWED_HOSTS", "")]
    return [name.strip() for each in names for name in each.split(",") if name.strip()]


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: those are 1 to 65535")
    return int(text)


def _env_id(text: str) -> str:
    if text.endswith(".world"):
        raise argparse.ArgumentTypeError(f"{text} is a world, no game: write it before --real")
    return text


def _add_views(parser: argparse._ArgumentGroup) -> None:
    view = parser.add_mutually_exclusive_group()
    add = view.add_argument
    add("--window", action="store_true", help="play in a window (default where there is a display)")
    add("--browser", action="store_true", help="play in the browser (default where there is no display)")
    add("--headless", action="store_true", help="play --keys and write the clip --out")
    add("--replay", metavar="LOG", help="play a session again from its log and write the clip --out")
    add = parser.add_argument
    add("--keys", help="script of keys, one per frame, such as 'w*10 left+space*20 idle*5'")
    add(
        "--out",
        metavar="CLIP",
        help="clip to write with --headless or --replay, as its ending says (default: GAME_play.mp4)",
    )
    add("--host", metavar="ADDRESS", help="let other machines play in the browser, with the token in the URL")
    add("--port", type=_port, help="port of --browser, 1 to 65535 (default: 8765, or a free one)")
    add(
        "--allow_host",
        metavar="NAME",
        action="append",
        help="a proxy's name, by which browsers reach the page; '.example.com' for all names that end so; the"
        " token in the URL stays a must (again for more; TINYWORLDS_ALLOWED_HOSTS, with commas, adds to it)",
    )
    add("--fullscreen", action="store_true", help="let the window fill the screen (F11 while playing)")
    add("--smooth", action="store_true", help="cubic instead of nearest-neighbour enlargement in the window")


def _add_session(parser: argparse._ArgumentGroup) -> None:
    add = parser.add_argument
    add("--record", action="store_true", help="record from the first frame: clip, GIF, gameplay file, log")
    add(
        "--recordings",
        metavar="FOLDER",
        default="recordings",
        help="where recordings go (default: %(default)s)",
    )
    add(
        "--start",
        metavar="FILE",
        help="a picture, video or gameplay file to start from, cut to the world's shape (default: the clips"
        " stored in the world)",
    )
    add(
        "--real",
        metavar="ENV_ID",
        nargs="?",
        const="",
        type=_env_id,
        help="run the real game beside the dream, both on the same keys: G shows both, T switches (a"
        " gymnasium id or title; default: the game of the world's own title); write it behind FILE",
    )
    add("--fps", type=positive(float), help="frames per second to play at (default: the world's own)")
    add("--seed", type=natural, help="repeat a session: same keys, same frames")


def _add_decoding(parser: argparse._ArgumentGroup) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="cpu, cuda, cuda:0 or auto (default: %(default)s)")
    add("--precision", choices=("auto", "32", "bf16"), help="number format (default: auto)")
    add(
        "--num_steps",
        type=positive(int),
        help="decoding steps per frame (default: stored in the world, else 4)",
    )
    add(
        "--temperature",
        type=float,
        help="0 takes the likeliest picture, above 0 samples (default: stored, else 0)",
    )
    add("--top_k", type=positive(int), help="sample among the k likeliest codes only")
    add(
        "--top_p",
        type=positive(float),
        help="sample among the likeliest codes with this probability together",
    )
    add(
        "--schedule",
        choices=("exponential", "cosine", "linear", "halton"),
        help="how many codes each decoding step reveals (default: stored, else exponential)",
    )
    add(
        "--compile",
        action="store_const",
        const=True,
        help="compile the world first: a minute of waiting, then more frames a second on GPUs and in bf16"
        " (float32 on a CPU needs none)",
    )
    add(
        "--no_cuda_graphs",
        dest="cuda_graphs",
        action="store_const",
        const=False,
        help="on a GPU, ask for every small piece of a step instead of replaying one recording of it",
    )
    add(
        "--govern",
        action="store_true",
        help="lower decoding steps and precision as far as this machine needs to keep the frame rate"
        " (with --compile: compile only if needed)",
    )
    add("--context_frames", type=positive(int), help="past frames the world sees (default: as trained)")
    add(
        "--feedback",
        choices=("codes", "memory", "pixels"),
        help="go on from predicted codes (default), from all that was remembered of them (faster, but dreams"
        " soon stand still), or encode every frame again",
    )
