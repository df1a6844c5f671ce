"""Optimizers, which parameters they get, and the schedule of the learning rate."""

import copy

import pytest
import torch
from torch import nn

from tinyworlds.errors import ConfigError
from tinyworlds.models import DynamicsModel, VideoTokenizer
from tinyworlds.training import optim
from tinyworlds.training.optim import (
    MuonAdamW,
    build_optimizer,
    by_time,
    cosine_with_warmup,
    split_parameters,
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
        self.conv = nn.Conv2d(2, 3, 1)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 4))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.body(self.embed(ids))


def test_what_decays_and_what_muon_gets() -> None:
    net = Net()
    matrices, decayed, plain = ({id(p) for p in group} for group in split_parameters(net))
    assert matrices == {id(net.body[0].weight), id(net.body[2].weight)}
    assert decayed == {id(net.embed.weight), id(net.conv.weight)}
    assert id(net.mask_token) in plain
    assert len(matrices | decayed | plain) == len([*net.parameters()])


def test_muon_steps_resumes_and_follows_the_schedule() -> None:
    def trained(resume: bool) -> torch.Tensor:
        torch.manual_seed(0)
        net = Net()
        optimizer = build_optimizer(net, "muon", 1e-2, 0.1)
        assert isinstance(optimizer, MuonAdamW)
        for step in range(4):
            if resume and step == 2:
                state, optimizer = optimizer.state_dict(), build_optimizer(net, "muon", 1e-2, 0.1)
                optimizer.load_state_dict(state)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.5)
            assert all(group["lr"] == 5e-3 for group in optimizer.muon.param_groups)
            net(torch.tensor([1, 2])).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            for group in optimizer.param_groups:
                group["lr"] = group.pop("initial_lr")
        return net.body[0].weight.detach()

    assert torch.equal(trained(False), trained(True))


def test_learned_places_are_tables_and_no_matrices() -> None:
    network = DynamicsModel(num_patches=16, embed_dim=32, num_heads=2, hidden_dim=32, num_blocks=1)
    matrices, decayed, _ = ({id(p) for p in group} for group in split_parameters(network))
    place = id(network.token_input.place.weight)
    assert place in decayed
    assert place not in matrices


SMALL = {"embed_dim": 32, "num_heads": 2, "hidden_dim": 32, "num_blocks": 1}


@pytest.mark.parametrize("stage", ["dynamics", "tokenizer"])
@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_state_from_when_places_were_matrices_goes_on_as_it_would_have(
    name: str, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def updated(network: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> list[torch.Tensor]:
        for seed in seeds:
            torch.manual_seed(seed)
            if isinstance(network, DynamicsModel):
                given = torch.randint(1024, (2, 3, 16)), torch.randint(16, (2, 2))
                network.loss(*given)["loss"].backward()
            else:
                network(torch.randn(2, 3, 3, 16, 16)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    tokenizer = VideoTokenizer(frame_size=16, patch_size=4, **SMALL)
    network: nn.Module = DynamicsModel(num_patches=16, **SMALL) if stage == "dynamics" else tokenizer
    with monkeypatch.context() as then:
        then.setattr(optim, "split_parameters", lambda net, former=True: split_parameters(net, former=True))
        optimizer = build_optimizer(network, name, 1e-2, 0.1)
    updated(network, optimizer, range(2))
    resumed, state = copy.deepcopy(network), copy.deepcopy(optimizer.state_dict())
    as_it_was = updated(network, optimizer, range(2, 4))
    now = build_optimizer(resumed, name, 1e-2, 0.1)
    now.load_state_dict(state)
    as_it_is = updated(resumed, now, range(2, 4))
    assert all(map(torch.equal, as_it_is, as_it_was))


def test_muon_refuses_the_state_of_adamw() -> None:
    net = Net()
    state = build_optimizer(net, "adamw", 1e-2, 0.1).state_dict()
    with pytest.raises(ConfigError, match=r"--model\.optimizer adamw"):
        build_optimizer(net, "muon", 1e-2, 0.1).load_state_dict(state)


def test_schedule() -> None:
    at = [cosine_with_warmup(p, 0.05, 0.01) for p in (0.0, 0.025, 0.05, 0.525, 1.0, 2.0)]
    assert at == pytest.approx([0.0, 0.5, 1.0, 0.505, 0.01, 0.01])
    assert cosine_with_warmup(0.0, 0.0, 0.1) == 1.0


def test_progress_by_steps_or_time() -> None:
    assert by_time(0.3, 0.2) == 0.3
    assert by_time(0.001, 0.04) == 0.001, "a slow first step changes nothing"
    assert by_time(0.3, 0.6) == pytest.approx(0.58)
    assert by_time(0.5, 1.0) == 1.0
    assert by_time(0.0, 0.0) == 0.0
