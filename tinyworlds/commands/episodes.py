"""``tinyworlds episodes``: let agents play to the end, film it, and say how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import ConfigError
from tinyworlds.system.options import OptionParser, natural, positive

_MOST_CLIPS = 6

if TYPE_CHECKING:
    from tinyworlds.dreamer.agent import Agent
    from tinyworlds.dreamer.episodes import Scores
    from tinyworlds.dreamer.games import AgentGame
    from tinyworlds.dreamer.trained import Trained


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds episodes``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    args = _parser().parse_args(argv)
    if args.greedy and args.sample:
        raise ConfigError("--greedy and --sample exclude each other; leave one out")
    named = args.checkpoint or ["latest"]
    if "none" in named and not args.random_agent:
        raise ConfigError("--checkpoint none leaves nobody to play; add --random_agent")
    if args.random_agent and [name for name in named if name != "none"] and args.checkpoint:
        raise ConfigError(
            "--random_agent needs no checkpoint; leave --checkpoint out, or use --checkpoint none"
        )
    from tinyworlds.dreamer.trained import find_agents
    from tinyworlds.nn.devices import pick_device

    agents: list[Trained | None] = (
        [None] if args.random_agent else [*find_agents(named, pick_device(args.device))]
    )
    tasks = args.task or [None]
    out, results = Path(args.out), []
    for trained in agents:
        for task in tasks:
            folder = out
            if len(agents) > 1 and trained is not None:
                folder = folder / trained.name
            if len(tasks) > 1:
                folder = folder / task
            results.append(_play(trained, task, folder, args))
    if len(results) > 1:
        from tinyworlds.dreamer.score_table import save_table

        for path in save_table(results, out):
            print(path)
    return 0


def _parser() -> OptionParser:
    parser = OptionParser(
        "tinyworlds episodes",
        description="Let a trained agent play whole episodes; write a video of each, and the scores.",
        examples=(
            "tinyworlds episodes --checkpoint latest --episodes 5 --out videos/",
            "tinyworlds episodes --checkpoint none --random_agent --task atari_boxing",
        ),
    )
    add = parser.add_argument
    add(
        "--checkpoint",
        nargs="+",
        metavar="FILE",
        help="agents: checkpoints, patterns, run folders, 'latest' or 'none' (default: latest)",
    )
    add("--task", nargs="+", metavar="NAME", help="games, such as atari_pong (default: as trained)")
    add("--episodes", type=positive(int), default=5, help="of each (default: %(default)s)")
    add(
        "--out",
        default="episodes",
        metavar="DIR",
        help="where videos and scores go (default: %(default)s)",
    )
    add("--random_agent", action="store_true", help="play at random")
    add("--greedy", action="store_true", help="take the likeliest action")
    add("--sample", action="store_true", help="draw actions, as in training (default)")
    add("--seed", type=natural, default=0, help="of the games and of what is drawn (default: %(default)s)")
    add("--gif", action="store_true", help="write an animated GIF of each, too")
    add("--open_loop", action="store_true", help="write what it imagines of the episodes' beginnings")
    add("--context", type=positive(int), default=16, help="steps that it is shown (default: %(default)s)")
    add("--horizon", type=positive(int), default=50, help="steps that it imagines (default: %(default)s)")
    add("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    return parser


def _play(trained: Trained | None, task: str | None, folder: Path, args: Any) -> Scores:
    from tinyworlds.dreamer.episodes import Scores, play_episodes, random_scores
    from tinyworlds.dreamer.trained import open_game
    from tinyworlds.system.progress import progress_bar

    number, seed = args.episodes, args.seed
    greedy, gif = args.greedy, args.gif
    wanted, game = open_game(trained, task, drawn=True)
    agent = trained.agent if trained is not None else None
    try:
        with progress_bar(f"{wanted.name}: episodes", number) as done:
            played = play_episodes(agent, game, number, folder, seed, greedy, gif, done)
        chance: list[float] = []
        if agent is not None:
            with progress_bar(f"{wanted.name}: at random", number) as done:
                chance = random_scores(game, number, seed, done)
        scores = Scores(
            wanted.name,
            str(trained.path) if trained is not None else None,
            "random" if agent is None else "greedy" if greedy else "sample",
            seed,
            trained.updates if trained is not None else 0,
            trained.frames if trained is not None else 0,
            played,
            chance,
        )
        print("\n".join(_lines(scores, scores.save(folder))))
        if agent is not None and args.open_loop:
            _imagine(agent, game, folder, args)
    finally:
        game.close()
    return scores


def _imagine(agent: Agent, game: AgentGame, folder: Path, args: Any) -> None:
    from tinyworlds.dreamer.open_loop import open_loop, played_windows
    from tinyworlds.dreamer.open_loop_files import save_open_loop

    context, horizon = args.context, args.horizon
    number, seed = min(args.episodes, _MOST_CLIPS), args.seed
    steps = played_windows(agent, game, number, context + horizon, seed, args.greedy)
    length = steps.rewards.shape[1] - 1
    if context >= length:
        context = length // 2
        print(f"an episode has {length} steps only: {context} are shown to it")
    for path in save_open_loop(folder, open_loop(agent, steps, context), game.fps, gif=args.gif):
        print(path)


def _lines(scores: Scores, path: Path) -> list[str]:
    found = scores.summary
    number = len(scores.episodes)
    told = f"{scores.task}: {found['mean']:.2f} in one episode"
    if number > 1:
        told = f"{scores.task}: {found['mean']:.2f} in the mean of {number} episodes"
        told += f" (deviation {found['std']:.2f}, median {found['median']:.2f})"
    if found["random"] is not None:
        told += f", at random {found['random']:.2f}"
    if found["human_normalised"] is not None:
        told += f"; {100 * found['human_normalised']:.0f} % of the way from chance to a person"
    notes = [f"episode {number}: {each.note}" for number, each in enumerate(scores.episodes) if each.note]
    cut = sum(not each.ended for each in scores.episodes)
    if cut:
        notes.append(f"{cut} episodes did not end")
    return [told, *dict.fromkeys(notes), str(path)]
