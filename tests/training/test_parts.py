"""Optimizer, schedule, compiling, progress, loggers, checkpoint files: each on its own."""

import csv
import warnings
from pathlib import Path

import pytest
import torch
from paths import PARITY
from torch import nn

from callbacks.progress_bar import format_seconds
from tinyworlds import VideoTokenizer, load_network
from tinyworlds.checkpoints.lightning_io import atomic_save
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.search import find_newest
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError
from tinyworlds.nn import compiling
from tinyworlds.nn.compiling import compile_network
from tinyworlds.training.loggers import CSVRunLogger, SafeTensorBoardLogger
from tinyworlds.training.optim import MuonAdamW, build_optimizer, cosine_with_warmup, split_parameters


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


def test_muon_refuses_the_state_of_adamw() -> None:
    net = Net()
    state = build_optimizer(net, "adamw", 1e-2, 0.1).state_dict()
    with pytest.raises(ConfigError, match=r"--model\.optimizer adamw"):
        build_optimizer(net, "muon", 1e-2, 0.1).load_state_dict(state)


def test_schedule() -> None:
    at = [cosine_with_warmup(p, 0.05, 0.01) for p in (0.0, 0.025, 0.05, 0.525, 1.0, 2.0)]
    assert at == pytest.approx([0.0, 0.5, 1.0, 0.505, 0.01, 0.01])
    assert cosine_with_warmup(0.0, 0.0, 0.1) == 1.0


def test_a_failing_compiler_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(function: object, **settings: object) -> object:
        def call(*args: object, **kwargs: object) -> None:
            raise RuntimeError("Compiler: cl is not found.\nlong text")

        return call

    monkeypatch.setattr(compiling.torch, "compile", fail)
    net = Net()
    expected = net(torch.tensor([1]))
    keys = list(net.state_dict())
    compile_network(net)
    with pytest.warns(UserWarning, match="cl is not found") as caught:
        assert torch.equal(expected, net(torch.tensor([1])))
    assert torch.equal(expected, net(torch.tensor([1])))
    assert len(caught) == 2, "one for each part: embed and body"
    assert list(net.state_dict()) == keys


@pytest.mark.slow
def test_compiled_parts_agree_with_eager() -> None:
    tokenizer = VideoTokenizer(16, 4, 16, 2, 16, 1)
    frames = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    expected = tokenizer(frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no compiler, this test is about falling back
        compile_network(tokenizer)
        assert torch.allclose(tokenizer(frames), expected, atol=1e-4)


def test_seconds() -> None:
    assert [format_seconds(s) for s in (None, 5, 65.4, 3725)] == ["-:--", "0:05", "1:05", "1:02:05"]


def rows(logger: CSVRunLogger) -> list[dict[str, str]]:
    with logger.metrics_file.open() as file:
        return [*csv.DictReader(file)]


def test_csv_grows_columns_and_goes_on(tmp_path: Path) -> None:
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.log_metrics({"a": 1.0, "epoch": 0}, 0)
    logger.log_metrics({"b": torch.tensor(2.5)}, 1)
    again = CSVRunLogger(tmp_path, "dynamics", version=logger.version)
    again.resume_at(1)
    again.log_metrics({"a": 3.0}, 1)
    assert rows(again) == [{"step": "0", "a": "1", "b": ""}, {"step": "1", "a": "3", "b": ""}]
    assert CSVRunLogger(tmp_path, "dynamics").version == logger.version + 1


def test_a_failing_logger_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("network down")

    logger = SafeTensorBoardLogger(str(tmp_path), name="x")
    monkeypatch.setattr(logger.experiment, "add_scalar", fail)
    with pytest.warns(UserWarning, match="is switched off"):
        logger.log_metrics({"a": 1.0}, 0)
    logger.log_metrics({"a": 1.0}, 1)
    logger.experiment.add_image("anything", None)


def test_atomic_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    atomic_save({"a": 1}, path)
    with pytest.raises((TypeError, AttributeError)):
        atomic_save({"a": lambda: 0}, path)
    assert torch.load(path) == {"a": 1}
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    "path", sorted(PARITY.glob("*/*step*")), ids=lambda p: f"{p.parent.name}-{p.name[:20]}"
)
def test_public_files_load(path: Path) -> None:
    network = load_network(path)
    assert not network.training
    assert network.config["architecture"] == "v1"
    assert fingerprint(network) == fingerprint(load_network(path))


def test_public_files_that_are_broken(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load_network(tmp_path / "none.pth")
    torch.save({"model": {"x": torch.zeros(1)}}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"odd\.pth"):
        load_network(tmp_path / "odd.pth")
    (tmp_path / "short.pth").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load_network(tmp_path / "short.pth")
    folder = tmp_path / "dynamics_step_1"
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"no model_state_dict\.pt in it"):
        load_network(folder)
    with pytest.raises(CheckpointError, match="no stage"):
        find_newest(tmp_path, "tokenizer")
