"""Nothing in a training step asks a device for a value: on a GPU each such question waits for all its work.

Tensors on the "meta" device have shapes and no values: whoever asks for one, or mixes devices, gets an error,
on every machine. (Fake CUDA tensors would tell more, but builds without CUDA cannot take gradients of them.)
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from callbacks import Throughput
from callbacks.saving import GracefulInterrupt
from tinyworlds.training.averaging import AveragedWeights
from tinyworlds.training.optim import build_optimizer
from tinyworlds.training.stages import DynamicsStage, LatentActionsStage, Stage, VideoTokenizerStage

SMALL = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1, "frame_size": 16}
CODES = {"patch_size": 4, "latent_dim": 3, "num_bins": 4}
WAITS = (NotImplementedError, RuntimeError, DynamicOutputShapeException)


class Holder(LightningModule):
    """A network as Lightning holds it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


def tokenizer(**more: Any) -> Stage:
    return VideoTokenizerStage(**SMALL, **more)


def latent_actions(**more: Any) -> Stage:
    return LatentActionsStage(**SMALL, **more)


def dynamics(**more: Any) -> Stage:
    return DynamicsStage(num_actions=4, **SMALL, **CODES, **more)


def batch_for(stage: Stage, device: str) -> dict[str, torch.Tensor]:
    if stage.name != "dynamics":
        return {"frames": torch.zeros(2, 4, 3, 16, 16, device=device)}
    whole = {"dtype": torch.int64, "device": device}
    action_ids, actions = torch.zeros(2, 3, **whole), torch.zeros(2, 4, **whole)
    return {"ids": torch.zeros(2, 4, 16, **whole), "action_ids": action_ids, "actions": actions}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize(
    "make",
    [
        tokenizer,
        latent_actions,
        dynamics,
        lambda **more: dynamics(actions="labels", **more),
    ],
)
def test_a_step_asks_nothing(make: Callable[..., Stage], architecture: str, optimizer: str) -> None:
    stage = make(architecture=architecture).to("meta")
    stage._trainer = SimpleNamespace(global_step=0, log_every_n_steps=50)
    batch = batch_for(stage, "meta")
    stepper = build_optimizer(stage.network, optimizer, 1e-3, 0.01)
    for _ in range(2):
        stage.training_step(batch, 0).backward()
        nn.utils.clip_grad_norm_(stage.network.parameters(), 1.0)
        stepper.step()
        stepper.zero_grad()


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("make", [tokenizer, latent_actions])  # dynamics pick rows on a CPU, where it is free
def test_losses_in_bfloat16_ask_nothing(
    make: Callable[..., Stage], architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")  # kernels for the CPU want numbers
    with FakeTensorMode():
        stage = make(architecture=architecture)
        with torch.autocast("cpu", torch.bfloat16):
            loss = stage.losses(batch_for(stage, "cpu"))["loss"]
        loss.backward()
    assert loss.dtype == torch.float32
    assert all(parameter.grad is not None for parameter in stage.network.parameters())


def test_experts_ask_nothing_at_play() -> None:
    stage = dynamics(num_experts=4).to("meta").eval()
    batch = batch_for(stage, "meta")
    stage.network.features(batch["ids"], batch["action_ids"])
    with pytest.raises(WAITS):  # in training each runs on its own tokens only, as many as they are
        stage.train().network.features(batch["ids"], batch["action_ids"])


def test_a_question_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoTokenizerStage, "losses", lambda self, batch: {"loss": batch["frames"].sum()})
    stage = tokenizer().to("meta")
    stage._trainer = SimpleNamespace(global_step=0, log_every_n_steps=1)  # now it looks at the loss
    with pytest.raises(RuntimeError, match="meta"):
        stage.training_step(batch_for(stage, "meta"), 0)


def test_callbacks_between_steps_ask_nothing() -> None:
    stage = tokenizer().to("meta")
    trainer = SimpleNamespace(
        global_step=0, world_size=1, log_every_n_steps=50, strategy=None, checkpoint_callbacks=[]
    )
    averaged = AveragedWeights(0.9, torch.device("meta"))
    averaged.setup(trainer, Holder(stage.network), "fit")
    callbacks = [averaged, Throughput(), GracefulInterrupt()]
    for trainer.global_step in (1, 2, 3):
        for callback in callbacks:
            module = Holder(stage.network) if callback is averaged else stage
            callback.on_train_batch_end(trainer, module, {}, batch_for(stage, "meta"), 0)
    assert averaged._latest_update_step == 3
    lightnings = EMAWeightAveraging(decay=0.9, device=torch.device("meta"))
    lightnings.setup(trainer, Holder(stage.network), "fit")
    with pytest.raises(RuntimeError, match="meta"):  # why there is one of our own
        lightnings.on_train_batch_end(trainer, Holder(stage.network), {}, {}, 0)


@pytest.mark.parametrize("decay", [0.9, 0.999])
def test_averages_are_lightnings(decay: float) -> None:
    torch.manual_seed(0)
    network = Holder(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    network.register_buffer("digits", 3 ** torch.arange(6))
    device = torch.device("cpu")
    both = [AveragedWeights(decay, device), EMAWeightAveraging(decay=decay, device=device, use_buffers=False)]
    trainer = SimpleNamespace(global_step=0)
    for callback in both:
        callback.setup(trainer, network, "fit")
    for trainer.global_step in (1, 1, 2, 3):  # twice the first: accumulation
        network.network(torch.randn(5, 3))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        for callback in both:
            callback.on_train_batch_end(trainer, network, {}, {}, 0)
    ours, theirs = (callback._average_model.state_dict() for callback in both)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value)
    assert both[0].state_key == both[1].state_key
    assert both[0].state_dict() == both[1].state_dict()


def test_codes_of_three_levels_survive_averaging() -> None:
    stage = tokenizer(num_bins=3)
    averaged, holder = AveragedWeights(0.9, torch.device("cpu")), Holder(stage.network)
    trainer = SimpleNamespace(global_step=0)
    averaged.setup(trainer, holder, "fit")
    for trainer.global_step in (1, 2, 3):
        averaged.on_train_batch_end(trainer, holder, {}, {}, 0)
    kept = averaged._average_model.module.network.quantizer.basis
    assert torch.equal(kept, stage.network.quantizer.basis)
