"""What the rows of a report are, and the marks they must reach; docs/evaluation.md explains each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyworlds.metrics.estimate import Estimate

MEAN, POOLED, ALL = "mean", "pooled", "all"
OVER_KEYS, LEAST, MOST = "over keys", "least", "most"
STATISTICS = {
    MEAN: "one value a frame, averaged",
    POOLED: "squared errors averaged over all frames, then PSNR taken",
    ALL: "counted in all clips together",
    OVER_KEYS: "a share of frames for each key, averaged over keys",
    LEAST: "the lowest of all",
    MOST: "the highest of all",
}

# key: (what it is, statistic, unit); the order is that of the report
FIGURES = {
    "tokenizer_psnr": ("tokenizer: PSNR of the reconstruction", MEAN, "dB"),
    "tokenizer_ssim": ("tokenizer: SSIM of the reconstruction", MEAN, ""),
    "tokenizer_motion_psnr": ("tokenizer: PSNR of the pixels that move", POOLED, "dB"),
    "code_perplexity": ("tokenizer: perplexity of its codes", ALL, ""),
    "actions_used": ("latent actions used (by 1 % of the transitions or more)", ALL, ""),
    "action_nmi": ("latent with true actions: normalised mutual information", ALL, ""),
}

PLAYED = {
    **{
        f"read_back_{first}_{last}": (f"keys held, read back from frames {first} to {last}", OVER_KEYS, "")
        for first, last in ((1, 4), (5, 16), (17, 32), (33, 64))
    },
    "read_back_weakest": ("the key read back worst in any band but the first", LEAST, ""),
    "life_least": ("change a frame over the game's: the least of any key and band", LEAST, ""),
    "life_most": ("change a frame over the game's: the most of any key and band", MOST, ""),
    "life_least_moving": ("change a frame over the game's, where the game moves: the least", LEAST, ""),
    "life_most_moving": ("change a frame over the game's, where the game moves: the most", MOST, ""),
    "drift_ratio": ("Fréchet distance from true frames, frames 257 to 512 over 17 to 32", ALL, ""),
}
"""Figures of the play test, in the same form."""

# the same for figures that there is one of for each source of actions: their keys are ``row_source``
PREDICTIONS = {
    "one_step_psnr": ("next frame after true ones: PSNR", POOLED, "dB"),
    "one_step_gain_pooled": ("next frame, above repeating the last true one", POOLED, "dB"),
    "one_step_gain": ("next frame, above repeating (frames in which little moves rule a mean)", MEAN, "dB"),
    "one_step_motion_gain": ("next frame, pixels that move: above repeating the last true one", POOLED, "dB"),
    "one_step_above_random": ("next frame, above random actions", POOLED, "dB"),
    "delta_t_psnr": ("4th frame of a rollout, above random actions (delta-t PSNR)", MEAN, "dB"),
    "rollout_gain_pooled": ("all frames of a rollout, above repeating the last given one", POOLED, "dB"),
    "rollout_motion_gain": ("all frames of a rollout, pixels that move: above repeating", POOLED, "dB"),
    "rollout_ssim": ("all frames of a rollout: SSIM", MEAN, ""),
    "last_step_gain_pooled": ("last frame of a rollout, above repeating the last given one", POOLED, "dB"),
    "last_step_above_random": ("last frame of a rollout, above random actions", POOLED, "dB"),
    "one_step_sureness": ("next frame: rank correlation of how sure the world is with the error", ALL, ""),
    "rollout_sureness": ("all frames of a rollout: the same", ALL, ""),
}

SOURCES = {
    "repeat": "the last true frame repeated, the baseline.",
    "inferred": "actions read from the frames that are predicted, which no player has: a bound.",
    "pressed": "the recorded keys, each as what it does at play.",
    "random": "actions drawn evenly from those in use.",
    "none": "the world has no actions.",
}
"""Where the actions of predicted frames come from; the columns of the report."""


ACTION_KINDS = {
    "latent": "found in the pictures alone.",
    "anchored": "read off the pictures by a network that was told a share of the recorded keys.",
    "labels": "the recorded keys.",
}
"""What a world was trained to listen to; marked in the head of each table."""


def all_rows() -> Iterator[tuple[str, str, str, str]]:
    """Every figure there may be: its key, what it is, statistic and unit, in the order of the report."""
    for key, (title, statistic, unit) in {**PLAYED, **FIGURES}.items():
        yield key, title, statistic, unit
    for row, (title, statistic, unit) in PREDICTIONS.items():
        for source in SOURCES:
            yield f"{row}_{source}", f"{title}: {source}", statistic, unit


@dataclass(frozen=True)
class Bar:
    """What a figure must reach.

    Attributes:
        at_least: the lowest value that will do, if any.
        interval_above: what its interval must lie above, if anything.
        at_most: the highest value that will do, if any.
    """

    at_least: float | None = None
    interval_above: float | None = None
    at_most: float | None = None

    def met_by(self, estimate: Estimate) -> bool:
        """Whether the figure reaches it."""
        sure = self.interval_above is None or estimate.low > self.interval_above
        enough = self.at_least is None or estimate.value >= self.at_least
        return enough and (self.at_most is None or estimate.value <= self.at_most) and sure

    def __str__(self) -> str:
        bounds = [
            f"{self.at_least:g} or more" if self.at_least is not None else "",
            f"{self.at_most:g} or less" if self.at_most is not None else "",
            f"interval above {self.interval_above:g}" if self.interval_above is not None else "",
        ]
        return ", ".join(filter(None, bounds))


PLAYABLE = {
    **{f"read_back_{first}_{last}": Bar(0.75) for first, last in ((1, 4), (5, 16), (17, 32), (33, 64))},
    "read_back_weakest": Bar(0.5),
    "life_least": Bar(0.5),
    "life_most": Bar(at_most=1.5),
}
"""What a world must reach to be worth playing."""

QUICKSTART_BARS = {
    **PLAYABLE,
    "tokenizer_psnr": Bar(28.0),
    "actions_used": Bar(3.0),
    "action_nmi": Bar(0.3),
    # pooled: a mean of PSNRs would be ruled by frames in which nothing moves
    "one_step_gain_pooled_pressed": Bar(1.5),
    "delta_t_psnr_pressed": Bar(1.0, interval_above=0.0),
    "last_step_gain_pooled_pressed": Bar(0.0),
}
"""What the Doom quickstart must reach on held-out clips, with the keys that were pressed."""

MOTION_BARS = {**QUICKSTART_BARS, "one_step_motion_gain_pressed": Bar(4.0)}
"""The same for games such as Pong, where what moves is a few pixels."""
