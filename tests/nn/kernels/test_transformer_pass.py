"""Whole passes in the kernel of our own: what the modules give, wherever scores and sizes lie."""

from itertools import pairwise

import pytest
import torch
from small_worlds import random_world

from tinyworlds.api import World
from tinyworlds.models import DynamicsModel, VideoTokenizer
from tinyworlds.nn import transformer
from tinyworlds.nn.kernels import loading, transformer_pass
from tinyworlds.nn.kernels.loading import can_run_natively
from tinyworlds.nn.memory import TimeMemory
from tinyworlds.nn.native_transformer import has_kernel, transform_natively
from tinyworlds.nn.norms import Condition
from tinyworlds.nn.transformer import runs_natively, v1_transformer, v2_transformer
from tinyworlds.world.start_clips import StartClips

pytestmark = pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")
GRID = 9  # 81 places: the last tile of 16 is not full
TRANSFORMERS = {
    "v1": lambda: v1_transformer(32, 8, 40, 2),
    "v1 conditioned": lambda: v1_transformer(32, 8, 40, 2, condition_dim=3),
    "v2": lambda: v2_transformer(32, 2, 40, 2, GRID),
    "v2 conditioned": lambda: v2_transformer(32, 8, 40, 2, GRID, conditioned=True),
    "v2 without time": lambda: v2_transformer(48, 2, 40, 2, GRID, temporal=False),
}
WIDTHS = {"v1 conditioned": 3, "v2 conditioned": 32}


@pytest.fixture
def plainly(monkeypatch):
    """Runs something without the kernel."""

    def run(call):
        with monkeypatch.context() as patch:
            patch.setattr(transformer, "can_run_natively", lambda x: False)
            return call()

    return run


def lively(network, size=0.2):
    torch.manual_seed(1)
    for weights in network.parameters():  # some begin at zero and would hide what lies before them
        torch.nn.init.normal_(weights, mean=0.5 if weights.dim() == 1 else 0.0, std=size)
    return network.eval()


def tokens_of(name, network, frames=5):
    torch.manual_seed(2)
    condition = torch.randn(2, frames, WIDTHS[name]) if name in WIDTHS else None
    width = next(p.shape[-1] for p in network.parameters() if p.dim() == 2 and p.shape[-1] in (32, 48))
    return torch.randn(2, frames, GRID**2, width), condition


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_windows_are_what_the_modules_give(name, plainly):
    network = lively(TRANSFORMERS[name]())
    x, condition = tokens_of(name, network)
    assert runs_natively(network)
    ours, truth = network(x, condition), plainly(lambda: network(x, condition))
    assert truth.std() > 0.1
    torch.testing.assert_close(ours, truth, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_frame_by_frame_with_a_memory_that_slides(name, plainly):
    network = lively(TRANSFORMERS[name]())
    x, condition = tokens_of(name, network)

    def play():
        memory, passes = TimeMemory(2), []
        for frame in range(x.shape[1]):
            now = slice(frame, frame + 1)
            told = Condition(None if condition is None else condition[:, now])
            passes += [network(x[:, now] + guess, told, memory) for guess in (1.0, -1.0)]  # not remembered
            with memory.growing(1):
                passes.append(network(x[:, now], told, memory))
        return torch.cat(passes)

    torch.testing.assert_close(play(), plainly(play), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["v1", "v1 conditioned"])
def test_scores_far_beyond_what_a_power_holds(name, plainly):
    network = lively(TRANSFORMERS[name]())
    for layer in (block.spatial_attn for block in network.blocks):
        layer.q_proj.weight *= 300  # exp of such scores would be infinite
    x, condition = tokens_of(name, network)
    ours, truth = network(x, condition), plainly(lambda: network(x, condition))
    assert ours.isfinite().all()
    differ = (ours - truth).abs().amax(dim=-1) > 1e-3  # a tie of two such scores may go either way
    assert differ.float().mean() < 0.02


@torch.no_grad()
def test_what_is_not_a_number_shows_and_stays_in_its_session():
    network = lively(TRANSFORMERS["v1"]())
    x, _ = tokens_of("v1", network)
    x[0, 1, 3, 7] = torch.nan
    out = network(x)
    assert out[0, 1:].isnan().all()
    assert out[0, 0].isfinite().all()
    assert out[1].isfinite().all()


@torch.no_grad()
def test_neither_threads_nor_company_change_a_bit():
    network = lively(TRANSFORMERS["v2"]())
    x, _ = tokens_of("v2", network)
    together, threads = network(x), torch.get_num_threads()
    torch.set_num_threads(1)
    alone = torch.cat([network(session[None]) for session in x])
    torch.set_num_threads(threads)
    assert torch.equal(together, alone)


@torch.no_grad()
def test_weights_that_change_are_seen():
    network = lively(TRANSFORMERS["v1 conditioned"]())
    x, condition = tokens_of("v1 conditioned", network)
    before = network(x, condition)
    network.blocks[0].temporal_attn.v_proj.weight *= 2
    assert not torch.allclose(before, network(x, condition))


@torch.no_grad()
def test_wrong_sizes_do_not_reach_the_kernel():
    network = TRANSFORMERS["v2 conditioned"]()
    x, condition = tokens_of("v2 conditioned", network)
    for tokens, told in [(x[..., :16], condition), (x[:, :, :70], condition), (x, condition[..., :8])]:
        with pytest.raises(AssertionError, match="given to"):
            network(tokens, told)
    with pytest.raises(RuntimeError, match="expand"):
        network(x, condition.expand(2, -1, -1).repeat(2, 1, 1))


def test_who_takes_it_and_who_does_not():
    network, x = v2_transformer(32, 2, 40, 2, GRID), torch.randn(1, 2, GRID**2, 32)
    assert not can_run_natively(x)  # gradients
    with torch.no_grad():
        assert can_run_natively(x)
        assert not can_run_natively(x.double())
        assert not can_run_natively(x[:, :0])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not can_run_natively(x)
    assert has_kernel(network.blocks)
    assert not has_kernel(v2_transformer(32, 2, 40, 2, GRID).bfloat16().blocks)
    assert not has_kernel(v2_transformer(128, 2, 40, 1, GRID).blocks)  # 64 channels a head
    experts = v2_transformer(32, 2, 40, 2, GRID, num_experts=2)
    assert not runs_natively(experts)
    with torch.no_grad():
        assert transform_natively(experts.blocks, experts.final, x, Condition(None), TimeMemory()) is None
        assert experts(x).shape == x.shape
    assert not runs_natively(torch.nn.Linear(2, 2))


def test_without_a_compiler_the_modules_run(monkeypatch):
    monkeypatch.setattr(transformer_pass, "_kernel", lambda channels: None)
    network = lively(v2_transformer(32, 2, 40, 2, GRID))
    with torch.no_grad():
        out = network(torch.randn(1, 2, GRID**2, 32))
    assert not runs_natively(network)
    assert out.isfinite().all()


def v1_world():
    torch.manual_seed(0)
    sizes = {"embed_dim": 32, "num_heads": 8, "hidden_dim": 64, "num_blocks": 2, "architecture": "v1"}
    tokenizer = VideoTokenizer(frame_size=32, patch_size=4, latent_dim=3, **sizes)
    dynamics = DynamicsModel(num_patches=64, latent_dim=3, num_actions=4, **sizes)
    for network in (tokenizer, dynamics):
        for weights in network.parameters():
            torch.nn.init.normal_(weights, std=0.5)
    frames = torch.randint(0, 256, (1, 2, 32, 32, 3), dtype=torch.uint8).numpy()
    return World(tokenizer, dynamics, start_clips=StartClips(frames), context_frames=2, num_steps=6)


@pytest.mark.parametrize("make", [v1_world, random_world])
def test_a_world_decodes_the_same_codes(make, plainly):
    def play():
        world = make()
        world.reset(seed=0)
        shown = [world.step(action % world.num_actions) for action in range(12)]
        return world.codes, shown

    codes, shown = play()
    plain_codes, plain_shown = plainly(play)
    assert torch.equal(codes, plain_codes)
    assert all(abs(a.astype(int) - b).max() <= 1 for a, b in zip(shown, plain_shown, strict=True))
    assert any((a != b).any() for a, b in pairwise(shown))
