"""Public v1 weights give the numbers that the program which wrote them gave."""

import pytest
import torch
from v1_cases import CASES, NETWORKS, TOLERANCE, frames_of, network, read, recorded, thinned

from tinyworlds.checkpoints import v1_keys
from tinyworlds.errors import CheckpointError
from tinyworlds.models import DynamicsModel, maskgit


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def test_tokenizer(case):
    tokenizer, io, frames = network(case, "video_tokenizer"), recorded(case), frames_of(case)
    torch.testing.assert_close(tokenizer.encoder(frames), io["tok_prequant"], **TOLERANCE)
    ids = tokenizer.encode(frames)
    assert torch.equal(ids, io["tok_indices"].long())
    assert torch.equal(tokenizer.quantizer.digits(ids), io["tok_latents"].long())
    torch.testing.assert_close(thinned(tokenizer.decode(ids)), io["tok_recon"], **TOLERANCE)
    torch.testing.assert_close(thinned(tokenizer(frames)), io["tok_recon"], **TOLERANCE)
    torch.testing.assert_close(tokenizer.loss(frames)["loss"], io["tok_loss"], **TOLERANCE)


def test_latent_actions(case):
    model, io, frames = network(case, "latent_actions"), recorded(case), frames_of(case)
    torch.testing.assert_close(model.encoder(frames), io["act_prequant"], **TOLERANCE)
    ids = model.encode(frames)
    assert torch.equal(ids, io["act_indices"].long())
    torch.testing.assert_close(model.latents(ids), io["act_latents"], **TOLERANCE)
    torch.testing.assert_close(thinned(model(frames)), io["act_pred_frames"], **TOLERANCE)
    torch.testing.assert_close(model.loss(frames)["loss"], io["act_loss"], **TOLERANCE)


def test_dynamics_logits(case):
    model, io = network(case, "dynamics"), recorded(case)
    ids, actions = io["tok_indices"].long(), io["act_indices"].long()
    for key, given in (("dyn_logits_cond", actions), ("dyn_logits_nocond", None)):
        logits = model.logits(ids, given)[:, 2:, :: ids.shape[2] // 4]
        torch.testing.assert_close(logits, io[key], **TOLERANCE)


@pytest.mark.parametrize(("context", "horizon", "steps"), [(2, 1, 10), (3, 1, 4), (2, 2, 8)])
def test_decoding(case, context, horizon, steps):
    model, tokenizer, io = network(case, "dynamics"), network(case, "video_tokenizer"), recorded(case)
    past = io["tok_indices"].long()[:, :context]
    actions = io["act_indices"].long()[:, : context + horizon - 1]
    new = maskgit.decode(model, past, actions, horizon, steps)
    name = f"dec_ctx{context}_h{horizon}_n{steps}"
    assert torch.equal(tokenizer.quantizer.digits(new), io[name].long())
    frames = tokenizer.decode(torch.cat([past, new], dim=1))[:, context:].clamp(-1, 1)
    torch.testing.assert_close(thinned(frames), io[f"{name}_frames"], **TOLERANCE)


def test_decoding_with_an_action_per_frame(case):
    model, tokenizer, io = network(case, "dynamics"), network(case, "video_tokenizer"), recorded(case)
    actions = io["play_action_indices"].long()
    new = maskgit.decode(model, io["tok_indices"].long()[:, :2], actions, horizon=1, num_steps=10)
    assert torch.equal(tokenizer.quantizer.digits(new), io["play_dec"].long())


@pytest.mark.parametrize("stage", NETWORKS)
def test_stage_is_told_from_wrapped_weights(case, stage):
    state, _ = read(case, stage)
    wrapped = {f"module._orig_mod.{name}": value for name, value in state.items()}
    assert v1_keys.unwrap(wrapped).keys() == state.keys()
    assert v1_keys.find_stage(v1_keys.unwrap(wrapped)) == stage


def test_foreign_weights_and_missing_settings_are_refused():
    with pytest.raises(CheckpointError, match="of no TinyWorlds network"):
        v1_keys.find_stage({"layer.weight": torch.zeros(1)})
    state, config = read("moe", "dynamics")
    with pytest.raises(CheckpointError, match="lack num_heads"):
        v1_keys.network_config("dynamics", {k: v for k, v in config.items() if k != "num_heads"}, state)


def test_dynamics_without_conditioning_knows_no_actions():
    unconditioned = DynamicsModel(16, num_blocks=1, num_actions=0, architecture="v1")
    state = {
        name.replace("token_input.", "").replace("output.", "output_mlp."): value
        for name, value in unconditioned.state_dict().items()
    }
    settings = {"frame_size": 16, "patch_size": 4, "num_heads": 8, "hidden_dim": 128}
    config = v1_keys.network_config("dynamics", settings, state)
    assert config["num_actions"] == 0
    DynamicsModel(**config).load_state_dict(v1_keys.rename("dynamics", state), strict=True)
