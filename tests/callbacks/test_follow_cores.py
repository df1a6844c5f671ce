"""Threads follow the cores in a real training, and are given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_runs import curve, train

from callbacks import follow_cores
from tinyworlds.training.thread_choice import ThreadChoice


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


class Alternating(ThreadChoice):
    """Changes its mind after every update."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.noted: list[tuple[int, float]] = []
        made.append(self)

    @property
    def num_threads(self) -> int:
        return 1 + len(self.noted) % 2

    def note(self, seconds: float) -> None:
        self.noted.append((torch.get_num_threads(), seconds))


made: list[Alternating] = []


@pytest.mark.usefixtures("two_threads")
def test_threads_change_while_training_and_results_do_not(
    tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train("video_tokenizer", tiny_h5, tmp_path / "a", "--trainer.max_steps=6", "--follow_cores=false")
    assert not made
    monkeypatch.setattr(follow_cores, "ThreadChoice", Alternating)
    followed = train("video_tokenizer", tiny_h5, tmp_path / "b", "--trainer.max_steps=6")
    assert [threads for threads, _ in made[-1].noted] == [1, 2, 1, 2, 1, 2]
    assert all(seconds > 0 for _, seconds in made[-1].noted)
    assert torch.get_num_threads() == 2
    assert curve(followed) == pytest.approx(curve(plain), rel=1e-4)


def test_one_thread_stays_one(tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.clear()
    monkeypatch.setattr(follow_cores, "ThreadChoice", Alternating)
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=2")
    assert not made
    assert torch.get_num_threads() == 1
