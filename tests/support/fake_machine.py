"""A machine that is measured in no time: seconds of an update by stage and size are given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tinyworlds.fit.plan.facts import Facts, Pace, Words

FACTS = Facts(frame_size=64, num_frames=20_000, num_labels=0, startup_s=5.0, fast_bf16=False)


@dataclass
class FakeMachine:
    """Takes `seconds` for an update of width 128, wider ones by the square; notes what it was asked."""

    seconds: float = 0.1
    facts_: Facts = FACTS
    updates: int = 1000
    asked: list[tuple[str, int]] = field(default_factory=list)

    def facts(self, words: Words) -> Facts:
        return self.facts_

    def pace(self, words: Words, stage: str) -> Pace:
        text = " ".join(words[stage])
        widths = re.findall(r"embed_dim=(\d+)", text)
        width = int(widths[-1]) if widths else 128
        steps = re.findall(r"max_steps=(\d+)", text)
        self.asked.append((stage, width))
        pace = Pace(self.updates, self.seconds * (width / 128) ** 2, 16, 4, 0.001, f"width {width}")
        return replace(pace, updates=int(steps[-1])) if steps else pace

    @contextmanager
    def measuring(self) -> Iterator[FakeMachine]:
        yield self
