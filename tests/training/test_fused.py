"""AdamW in one kernel: the same steps, and checkpoints of either kind go on as the other."""

import copy
import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_runs import curve, train
from torch import nn

from tinyworlds.errors import ConfigError
from tinyworlds.training import optim
from tinyworlds.training.optim import build_optimizer
from tinyworlds.training.stages import VideoTokenizerStage

CLOSE = {"rtol": 1e-5, "atol": 1e-7}


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 2))


def step(network: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    optimizer.zero_grad()
    generator = torch.Generator().manual_seed(number)
    network(torch.randn(5, 6, generator=generator)).square().sum().backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def adamw_of(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    return getattr(optimizer, "adamw", optimizer)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_fused_steps_are_the_plain_ones(name: str) -> None:
    networks = [net(), net()]
    kinds = zip(networks, (True, False), strict=True)
    optimizers = [build_optimizer(network, name, 1e-2, 0.1, fused=fused) for network, fused in kinds]
    assert [adamw_of(o).param_groups[0]["fused"] for o in optimizers] == [True, None]
    for number in range(5):
        for network, optimizer in zip(networks, optimizers, strict=True):
            step(network, optimizer, number)
    for one, other in zip(*(n.parameters() for n in networks), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("name", ["adamw", "muon"])
@pytest.mark.parametrize("before", [True, False])
def test_a_state_goes_on_the_other_way(name: str, before: bool) -> None:
    network = net()
    optimizer = build_optimizer(network, name, 1e-2, 0.1, fused=before)
    for number in range(3):
        step(network, optimizer, number)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other_network = copy.deepcopy(network)
    other = build_optimizer(other_network, name, 1e-2, 0.1, fused=not before)
    other.load_state_dict(torch.load(file, weights_only=True))
    for group in adamw_of(other).param_groups:
        assert group["fused"] is (None if before else True)
    for one, two in zip(network.parameters(), other_network.parameters(), strict=True):
        assert optimizer.state[one].keys() == other.state[two].keys()
        for key, value in optimizer.state[one].items():
            torch.testing.assert_close(other.state[two][key], value, rtol=0, atol=0)
    step(network, optimizer, 3)
    step(other_network, other, 3)
    for one, two in zip(network.parameters(), other_network.parameters(), strict=True):
        torch.testing.assert_close(one, two, **CLOSE)


def test_only_floats_in_one_piece_are_fused() -> None:
    network = net().to("meta")
    assert build_optimizer(network, "adamw", 1e-2, 0.1).param_groups[0]["fused"] is None


def test_scaled_gradients_are_stepped_plainly() -> None:
    small = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1, "frame_size": 16}
    for scaler, expected in ((None, True), (object(), None)):
        stage = VideoTokenizerStage(**small)
        plugin = SimpleNamespace(scaler=scaler)
        stage._trainer = SimpleNamespace(precision_plugin=plugin, callbacks=[], max_steps=5)
        assert stage.configure_optimizers()["optimizer"].param_groups[0]["fused"] is expected


def test_adamw_refuses_the_state_of_muon() -> None:
    state = build_optimizer(net(), "muon", 1e-2, 0.1).state_dict()
    with pytest.raises(ConfigError, match=r"--model\.optimizer muon"):
        build_optimizer(net(), "adamw", 1e-2, 0.1).load_state_dict(state)


@pytest.mark.parametrize("before", [True, False])
def test_runs_resume_across_both_kinds(
    before: bool, tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16, with clipping and averaged weights; torch's own fused AdamW would be refused."""
    more = ["--trainer.precision=bf16-mixed", "--model.ema_decay=0.5", "--checkpoint.every_n_steps=4"]
    more.append("--trainer.max_steps=8")

    def run(fused: bool, *words: str) -> Path:
        with monkeypatch.context() as patch:
            if not fused:
                patch.setattr(optim, "_can_be_fused", lambda parameter: False)
            return train("video_tokenizer", tiny_h5, tmp_path, *more, *words)

    version = run(before)
    whole = curve(version)
    middle = version / "checkpoints" / "step_4.ckpt"
    assert run(not before, f"--ckpt_path={middle}") == version
    assert curve(version) == pytest.approx(whole, rel=1e-2)
