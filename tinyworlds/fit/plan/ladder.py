"""Which sizes there are to choose from, from the smallest to the largest, and when each pays.

"small" is what the quickstarts train on two CPU cores. The steps above it follow the order in which time is
best spent: more updates first, then wider and deeper networks, then finer patches.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyworlds.fit.plan.facts import Facts

SHARES = {"video_tokenizer": 0.25, "latent_actions": 0.12, "dynamics": 0.63}
"""Of the time there is for updates."""

LEAST_UPDATES = 30
"""Of each stage; below, nothing is learned."""

PASSES = 100.0
"""So often at most is a frame of the recording seen by a stage: more teaches it by heart."""


@dataclass(frozen=True)
class Size:
    """One step of the ladder.

    Attributes:
        name: for messages.
        side: patches along a side of a frame, about.
        width: of the tokenizer and the dynamics.
        num_blocks: of the tokenizer's halves, and of the dynamics.
        batch_size: clips of an update of the tokenizer, and of the dynamics.
        num_actions: latent actions to find.
        action_width: channels of the action model, and the pairs of frames in its batch.
        action_updates: more than so many bring the latent actions little.
        pays_from: updates of the dynamics from which it beats the size below.
        num_frames: of a recording for which it is not too large.
    """

    name: str
    side: int
    width: int
    num_blocks: tuple[int, int]
    batch_size: tuple[int, int]
    num_actions: int
    action_width: int
    action_updates: int
    pays_from: int
    num_frames: int


SIZES = (
    Size("tiny", 8, 64, (2, 3), (16, 10), 4, 32, 800, 0, 0),
    Size("small", 8, 128, (3, 4), (16, 10), 4, 64, 800, 400, 0),
    Size("medium", 8, 192, (4, 6), (16, 16), 8, 64, 3_000, 4_000, 5_000),
    Size("large", 16, 256, (4, 8), (16, 16), 8, 64, 5_000, 10_000, 20_000),
    Size("huge", 16, 512, (6, 12), (32, 32), 8, 64, 10_000, 50_000, 100_000),
)
START = 1
"""Number of the size that is measured first."""

UNKNOWN_ACTIONS = 16
"""What `tinyworlds ingest` writes for a title of which nobody has said more."""


def size_words(size: Size, facts: Facts, stage: str, num_actions: int = UNKNOWN_ACTIONS) -> list[str]:
    """Return the settings of a stage that a size stands for, as words of ``tinyworlds fit``.

    Args:
        size: a step of the ladder.
        facts: of the recording and the machine.
        stage: one of the three.
        num_actions: latent actions that the title names; 16 stands for "nobody said".
    """
    settings = {
        "video_tokenizer": _tokenizer,
        "latent_actions": _latent_actions,
        "dynamics": _dynamics,
    }[stage](size, facts)
    if stage == "latent_actions" and num_actions != UNKNOWN_ACTIONS:
        settings["model.num_actions"] = num_actions
    if facts.fast_bf16:
        settings["trainer.precision"] = "bf16-mixed"
    return [f"--{key}={value}" for key, value in settings.items()]


def _tokenizer(size: Size, facts: Facts) -> dict[str, object]:
    sides = [side for side in range(1, facts.frame_size + 1) if facts.frame_size % side == 0]
    patch = min(sides, key=lambda side: (abs(side - facts.frame_size / size.side), side))
    shape = {"model.patch_size": patch, **_transformer(size, size.num_blocks[0], 8e-3)}
    return {**shape, "data.batch_size": size.batch_size[0], "trainer.limit_val_batches": 8}


def _dynamics(size: Size, facts: Facts) -> dict[str, object]:
    actions = {"model.actions": "labels"} if facts.num_labels else {}
    clips = {"data.num_frames": 5, "data.batch_size": size.batch_size[1], "trainer.limit_val_batches": 4}
    return {**_transformer(size, size.num_blocks[1], 1.2e-2), **actions, **clips}


def _latent_actions(size: Size, facts: Facts) -> dict[str, object]:
    return {
        "model.num_actions": size.num_actions,
        "model.embed_dim": size.action_width,
        "model.hidden_dim": size.action_width,
        "model.learning_rate": 2e-3,
        "model.beta2": 0.95,
        "data.num_frames": 2,
        "data.batch_size": size.action_width,
        "trainer.limit_val_batches": 8,
    }


def _transformer(size: Size, num_blocks: int, learning_rate: float) -> dict[str, object]:
    return {
        "model.embed_dim": size.width,
        "model.num_heads": size.width // 32,
        "model.hidden_dim": 3 * size.width,
        "model.num_blocks": num_blocks,
        "model.optimizer": "muon",
        # the rates were found at width 128; wider layers bear less
        "model.learning_rate": f"{learning_rate * min(1.0, 128 / size.width):.3g}",
    }
