"""``tinyworlds convert IN... OUT``: checkpoints of any known format into another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyworlds.checkpoints.file_kinds import AGENT_RUN, CHECKPOINT, RUN, WORLD, expect
from tinyworlds.errors import ConfigError
from tinyworlds.models.registry import STAGES
from tinyworlds.system.options import OptionParser, positive


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds convert``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = OptionParser(
        "tinyworlds convert",
        usage="tinyworlds convert IN... OUT [OPTIONS]",
        description="Translate checkpoints of any known format into another one.",
        examples=(
            "tinyworlds convert models/sonic sonic.world",
            "tinyworlds convert doom.world tokenizer.safetensors --stage video_tokenizer",
        ),
    )
    add = parser.add_argument
    add(
        "paths",
        metavar="IN... OUT",
        nargs="+",
        help="a checkpoint, several of them, a run, a folder or a .world file; then what to write: .world, "
        ".safetensors, .pth, .ckpt, or a folder in the layout of the original program",
    )
    add("--stage", choices=STAGES, help="the stage to take, where IN holds several and OUT one")
    add("--data", metavar="FILE", nargs="+", action="extend", help="gameplay files for start clips")
    add("--num_clips", type=positive(int), default=16, help="clips to start from (default: %(default)s)")
    args = parser.parse_intermixed_args(argv)
    if len(args.paths) < 2:
        raise ConfigError("tinyworlds convert: name what to read and what to write, IN... OUT")
    *sources, out = map(Path, args.paths)
    expect("convert", sources, CHECKPOINT, RUN, WORLD, AGENT_RUN)
    from tinyworlds.export.convert import convert

    for line in convert(sources, out, args.stage, args.data or (), args.num_clips):
        print(line)
    return 0
