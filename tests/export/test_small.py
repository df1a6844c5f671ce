"""Small world files: less room, the same frames to start from, nearly the same weights, and told so."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_worlds import change, tiny_world

from tinyworlds.api import World
from tinyworlds.checkpoints.packing import pack_weights, unpack_weights
from tinyworlds.checkpoints.search import load_network
from tinyworlds.commands.cli import main
from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.export.small import PROOF_KEY, equal_share, proof, small_world
from tinyworlds.world.facts import WorldFacts
from tinyworlds.world.file import load_world, read_header, save_world
from tinyworlds.world.start_clips import StartClips


@pytest.mark.parametrize(("weights", "error"), [("half", 2**-11), ("int8", 1 / 250)])
def test_weights_come_back_nearly_as_they_were(weights, error):
    torch.manual_seed(0)
    tensors = {
        "large": torch.randn(64, 96) * torch.rand(64, 1),
        "norm": torch.rand(16),
        "ids": torch.arange(5),
    }
    packed = pack_weights(tensors, weights)
    assert packed["large"].element_size() == (2 if weights == "half" else 1)
    found = unpack_weights(packed)
    assert found.keys() == tensors.keys()
    assert all(found[name].dtype == value.dtype for name, value in tensors.items())
    row = tensors["large"].abs().amax(1, keepdim=True)
    assert ((found["large"] - tensors["large"]).abs() / row).max() <= error
    assert torch.equal(found["ids"], tensors["ids"])


def test_weights_beyond_half_precision_are_refused():
    with pytest.raises(CheckpointError, match="beyond 65504: keep this world in float32"):
        pack_weights({"w": torch.tensor([1e6])}, "half")


def test_a_scale_that_does_not_fit_is_damage():
    packed = pack_weights({"w": torch.randn(64, 96)}, "int8")
    with pytest.raises(CheckpointError, match="scale of w does not fit"):
        unpack_weights({**packed, "w::scale": packed["w::scale"][:3]})


@pytest.mark.parametrize("weights", ["half", "int8"])
def test_a_packed_world_is_smaller_and_starts_from_the_same_frames(tmp_path, weights):
    world = tiny_world(actions="labels")
    still = np.repeat(world.start_clips.frames[:, :1], 3, axis=1)  # frames that do not change pack well
    world.start_clips = StartClips(still, world.start_clips.actions)
    plain, small = save_world(tmp_path / "a.world", world), save_world(tmp_path / "b.world", world, weights)
    assert read_header(plain)["schema_version"] == 1  # older programs read it
    assert read_header(small)["schema_version"] == 2
    assert small.stat().st_size < 0.6 * plain.stat().st_size
    found = load_world(small)
    np.testing.assert_array_equal(found.start_clips.frames, still)
    np.testing.assert_array_equal(found.start_clips.actions, world.start_clips.actions)
    assert all(value.dtype == torch.float32 for value in found.dynamics.parameters())
    assert load_network(small, stage="dynamics").config == world.dynamics.config
    assert equal_share(proof(world), proof(found)) > 0.8
    again = save_world(tmp_path / "c.world", found, weights)
    assert load_world(again).tokenizer.state_dict().keys() == found.tokenizer.state_dict().keys()


@pytest.mark.parametrize("shape", [[3, 3, 16, 16, 4], [3, 2, 16, 16, 3], [1 << 20] * 5, "x", None])
def test_damaged_clips_are_one_line(tmp_path, shape):
    file = save_world(tmp_path / "a.world", tiny_world(), "half")
    change(file, clips_shape=shape)
    with pytest.raises(CheckpointError, match="packed start clips") as caught:
        load_world(file)
    assert "\n" not in str(caught.value)


def test_a_proof_tells_a_changed_network():
    world = tiny_world()
    noted = proof(world)
    assert equal_share(proof(world), noted) == 1
    with torch.no_grad():
        for value in world.dynamics.parameters():
            value.add_(torch.randn_like(value) * 0.5)
    assert equal_share(proof(world), noted) < 0.9


def test_what_packing_costs_is_noted():
    world, weights = small_world(tiny_world(), "half", None)
    assert weights == "half"
    noted = world.info.provenance
    assert noted["weights"] == "half"
    assert noted["packing"]["equal_codes"] > 0.8
    assert abs(noted["packing"]["psnr_lost"]) < 0.1
    assert equal_share(proof(world), noted[PROOF_KEY]) == 1


@pytest.mark.slow
def test_a_limit_takes_the_finest_that_fits(tmp_path):
    world = tiny_world()
    rng = np.random.default_rng(0)
    world.start_clips = StartClips(rng.integers(0, 256, (16, 3, 16, 16, 3), np.uint8))
    sizes = {}
    for weights in ("float32", "half", "int8"):
        sizes[weights] = save_world(tmp_path / "a.world", world, weights).stat().st_size / 1e6
    assert small_world(world, None, sizes["float32"] + 0.01)[1] == "float32"
    kept, weights = small_world(world, None, sizes["half"] + 0.01)
    assert (weights, len(kept.start_clips)) == ("half", 16)
    kept, weights = small_world(world, None, sizes["half"] - 0.01)
    assert (weights, len(kept.start_clips)) == ("half", 8)
    with pytest.raises(ConfigError, match=r"takes 0\.\d MB at least, not 0\.01"):
        small_world(world, None, 0.01)


def test_a_world_is_exported_smaller_with_notes_and_inspected(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    world = tiny_world()
    world.info = dataclasses.replace(world.info, metrics={"read_back_1_4": 0.5, "read_back_weakest": 0.25})
    save_world("tiny.world", world)
    assert main(["export", "tiny.world", "small.world", "--weights", "half", "--note", "hours=2.5"]) == 0
    capsys.readouterr()
    assert main(["inspect", "small.world"]) == 0
    told = capsys.readouterr().out
    assert "as half (beside float32:" in told
    assert "3 clips, packed without loss" in told
    assert "keys read back 0.50 to 0.50, the weakest 0.25" in told
    assert "2.5" in told
    assert main(["export", "tiny.world", "b.world", "--note", "hours"]) == 2
    assert "NAME=TEXT" in capsys.readouterr().err


def test_facts_are_those_of_the_file(tmp_path):
    world = tiny_world()
    facts = WorldFacts.of(save_world(tmp_path / "a.world", world))
    networks = (world.tokenizer, world.dynamics, world.latent_actions)
    assert facts.num_weights == sum(v.numel() for network in networks for v in network.state_dict().values())
    assert (facts.size, facts.fps, facts.weights, facts.num_clips) == (16, 15.0, "float32", 3)
    packed = WorldFacts.of(save_world(tmp_path / "b.world", world, "int8"))
    assert packed.num_weights == facts.num_weights
    assert (packed.num_clips, packed.clips) == (3, "packed without loss")


def test_a_small_world_plays(tmp_path):
    save_world(tmp_path / "a.world", tiny_world(), "int8")
    world = World.load(tmp_path / "a.world")
    world.reset(seed=0)
    assert world.step(1).shape == (16, 16, 3)
