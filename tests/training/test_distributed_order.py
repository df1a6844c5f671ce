"""Who draws which window: every rank its share, in any number of processes, after any number of resumes."""

import pytest

from tinyworlds.data import H5DataModule
from tinyworlds.data.sampler import Order, TrainBatches
from tinyworlds.errors import ConfigError
from tinyworlds.training import strategies

WINDOWS = 101


class Machines:
    """Stands in for the ranks of a Trainer: draws their batches as Lightning would ask for them."""

    def __init__(self, batch_size: int, world_size: int, saved: dict | None = None):
        self.order = Order(seed=5, windows=WINDOWS, batch_size=batch_size, world_size=world_size)
        if saved:
            self.order = self.order.going_on(saved)
        self.batches = saved["batches"] if saved else 0

    def train(self, steps: int) -> list[int]:
        """The windows of some steps, all ranks together, in order."""
        order, drawn = self.order, []
        ranks = [
            TrainBatches(
                order.windows, order.batch_size, steps, order.seed, rank, order.world_size,
                lambda: self.batches, order.offset,
            )
            for rank in range(order.world_size)
        ]  # fmt: skip
        for parts in zip(*ranks, strict=True):  # strict: all ranks take as many steps
            drawn += [window for part in parts for window in part]
        self.batches += steps
        return drawn

    def saved(self) -> dict:
        return {"batches": self.batches, **self.order.__dict__}


def test_a_pass_has_every_window_once_however_many_ranks():
    for batch_size, world_size in [(8, 1), (4, 2), (1, 8), (3, 5), (2, 64)]:
        drawn = Machines(batch_size, world_size).train(2 * WINDOWS // (batch_size * world_size) + 1)
        assert sorted(drawn[:WINDOWS]) == sorted(drawn[WINDOWS : 2 * WINDOWS]) == list(range(WINDOWS))


def test_ranks_share_what_one_process_draws():
    alone = Machines(12, 1).train(20)
    assert Machines(4, 3).train(20) == Machines(2, 6).train(20) == alone


def test_resuming_with_other_ranks_goes_on_with_the_next_window():
    straight = Machines(4, 2).train(60)
    first = Machines(4, 2)
    drawn = first.train(5)
    second = Machines(3, 5, first.saved())
    drawn += second.train(4)  # over the end of the pass
    third = Machines(8, 1, second.saved())
    drawn += third.train(9)
    back = Machines(4, 2, third.saved())
    drawn += back.train(3)
    assert drawn == straight[: len(drawn)]
    assert len(drawn) == 40 + 60 + 72 + 24


def test_a_checkpoint_of_before_there_were_offsets():
    state = Machines(4, 2)
    drawn = state.train(5)
    old = {name: value for name, value in state.saved().items() if name != "offset"}
    assert drawn + Machines(2, 3, old).train(2) == Machines(4, 2).train(7)[:52]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"batch_size": 1, "world_size": 8}, None),
        ({"world_size": 4}, "world_size was 2 and is 4; an update sees 16 windows, not 8; in this pass none"),
        ({"windows": 90}, "windows was 101 and is 90; windows come in another order"),
        (
            {"seed": 6, "batch_size": 3},
            "seed was 5 and is 6, batch_size was 4 and is 3; windows come in another",
        ),
    ],
)
def test_what_a_resume_says(change, words):
    saved = Machines(4, 2).saved()
    now = Order(**{"seed": 5, "windows": 101, "batch_size": 4, "world_size": 2, **change})
    told = now.differs(saved)
    assert (told is None) == (words is None)
    assert words is None or words in told


class Rank:
    """What the data module asks a Trainer for, in evaluation."""

    overfit_batches = 0

    def __init__(self, global_rank, world_size):
        self.global_rank, self.world_size = global_rank, world_size


@pytest.mark.parametrize("world_size", [1, 2, 3, 8, 64])
def test_evaluation_is_dealt_out_without_repeats(tiny_h5, world_size):
    seen, steps = [], set()
    for rank in range(world_size):
        module = H5DataModule(str(tiny_h5), batch_size=2, val_fraction=0.4)
        module.trainer = Rank(rank, world_size)
        batches = [batch["index"].tolist() for batch in module.val_dataloader()]
        steps.add(tuple(len(batch) for batch in batches))
        seen += [window for batch in batches for window in batch]
    count = module.num_windows("val")
    assert len(steps) == 1, "all ranks take as many steps"
    if world_size <= count:
        assert len(set(seen)) == len(seen) == count - count % world_size
    else:
        assert len(seen) == world_size, "too few windows for all: some see the same"


TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}
SLURM = {"SLURM_NTASKS": "16", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "world"}


@pytest.mark.parametrize(("launcher", "variables"), [("torchrun", TORCHRUN), ("srun", SLURM)])
def test_processes_that_the_trainer_is_not_told_of(monkeypatch, launcher, variables):
    """Lightning alone would let each of them train by itself, all into one run folder."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{launcher} started 16 processes.*1 machine.*1 each") as caught:
        strategies.pick_strategy("auto", "cpu", "auto", 1)
    assert str(caught.value).endswith("add --trainer.num_nodes 2 --trainer.devices 8")
    assert "\n" not in str(caught.value)
    assert strategies.pick_strategy("ddp", "cpu", 8, 2) == "ddp"
    monkeypatch.setattr(strategies.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(strategies.torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(strategies.torch.distributed, "is_nccl_available", lambda: True)
    assert strategies.pick_strategy("auto", "auto", "auto", 2) == "auto", "all 8 GPUs of each machine"
