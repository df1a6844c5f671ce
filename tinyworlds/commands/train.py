"""``tinyworlds train GAME``: train the stages of a game in order, resumable."""

from __future__ import annotations

from collections.abc import Sequence

from tinyworlds.checkpoints.file_kinds import expect
from tinyworlds.errors import ConfigError
from tinyworlds.fit.pipeline import train
from tinyworlds.fit.train_request import OWN_MINUTES, TrainRequest, make_request
from tinyworlds.system.options import OptionParser, positive


def main(argv: list[str]) -> int:
    """Run ``tinyworlds train``."""
    if not argv:
        _parser().print_help()
        return ConfigError.exit_code
    if any(word in ("-h", "--help") for word in argv):  # also after the game, where settings of `fit` stand
        _parser().print_help()
        return 0
    request = read_request(argv)
    code = train(request)
    if code == 0:
        from tinyworlds.evaluation.tuning import tune_run
        from tinyworlds.fit.course import seconds_after

        print("\n".join(tune_run(request.run, seconds_after(request))))
    return code


def read_request(argv: Sequence[str]) -> TrainRequest:
    """Return what the words after ``tinyworlds train`` ask for; those of no option are settings of ``fit``.

    Raises:
        ConfigError: an unknown game or setting, or a missing value.
    """
    if argv[0].startswith("-") and argv[0] not in ("-h", "--help"):  # a setting's value is no game
        raise ConfigError(
            f"tinyworlds train needs a game first, got '{argv[0]}'; `python -m games` lists the titles"
        )
    args, settings = _parser().parse_known_args(argv)
    expect("train", [args.game], "the name of a game")
    return make_request(args.game, settings, args.run, args.config, args.fresh, args.minutes)


def _parser() -> OptionParser:
    parser = OptionParser(
        "tinyworlds train",
        usage="tinyworlds train GAME [--minutes M] [--run DIR] [--config OVERLAY.yaml] [--fresh] [SETTINGS]",
        description="Train the tokenizer, the latent actions (unless recorded ones are taken) and the "
        "dynamics of a game, in this order, and choose by short play tests how its codes are drawn. It says "
        "how long that will take on this machine before it starts. Call it again to go on.",
        examples=("tinyworlds train mygame --minutes 30", "tinyworlds train doom --data.batch_size 16"),
        epilog="SETTINGS are those of `tinyworlds fit`: --data.batch_size 16, --trainer.max_steps 500, "
        "--model.learning_rate 1e-3; for one stage: --dynamics.trainer.max_steps 500",
    )
    add = parser.add_argument
    add(
        "game",
        metavar="GAME",
        help="a title (python -m games lists them, yours from `tinyworlds ingest` too), or any name together "
        "with --data.files FILE",
    )
    add(
        "--minutes",
        type=positive(float),
        metavar="M",
        help="plan for so many minutes on this machine: measure it, choose sizes and updates, end in time "
        f"(default for a game of your own: {OWN_MINUTES:g}, unless a setting or a config says how long)",
    )
    add("--run", metavar="DIR", help="run folder (default: lightning_logs/GAME)")
    add(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="settings over those of configs/GAME_*.yaml; keys video_tokenizer, latent_actions, dynamics in "
        "it hold settings for one stage",
    )
    add("--fresh", action="store_true", help="train all stages again, as new versions")
    return parser
