"""Compiled networks agree with eager ones; where nothing compiles, they run as they are."""

import warnings
from pathlib import Path

import pytest
import torch
from child_processes import run_python
from torch import nn

from tinyworlds import VideoTokenizer
from tinyworlds.nn import compiling
from tinyworlds.nn.compiling import compile_network


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.body = nn.Linear(4, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.body(self.embed(ids))


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


@pytest.mark.slow
def test_compile_without_triton_and_without_a_compiler(tmp_path: Path) -> None:
    """What runs then is the network as it is, after one warning."""
    code = """
        import sys, warnings
        sys.modules["triton"] = None
        import torch
        from tinyworlds import VideoTokenizer
        from tinyworlds.nn.compiling import compile_network

        network = VideoTokenizer(frame_size=16, embed_dim=16, num_heads=2, hidden_dim=16, num_blocks=1).eval()
        frames = torch.rand(1, 4, 3, 16, 16)
        with torch.no_grad():
            expected = network.encode(frames)
            compile_network(network)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = network.encode(frames)
        assert torch.equal(found, expected)
        assert any("runs uncompiled" in str(w.message) for w in caught), [str(w.message) for w in caught]
    """
    nowhere = str(tmp_path / "nowhere")
    done = run_python(
        code, tmp_path, CXX=nowhere, PATH=nowhere, TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache")
    )
    assert done.returncode == 0, done.stderr
