"""The plain reference gives the recorded numbers too, and agrees with the library where none are."""

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from v1_cases import CASES, NETWORKS, PARITY, TOLERANCE, frames_of, network, read, recorded, thinned

from tinyworlds.api import World
from tinyworlds.bench import reference
from tinyworlds.checkpoints import v1_keys
from tinyworlds.models import maskgit
from tinyworlds.models.masking import IGNORED

every_case = pytest.mark.parametrize("case", CASES)
small_case = pytest.mark.parametrize("case", ["pong_small", "moe"])


@lru_cache
def plain(case, stage):
    state, config = read(case, stage)
    return reference.build(stage, config, state).requires_grad_(False)


@lru_cache
def fresh(case, stage, gain=1.0):
    """Untrained networks with the same weights: the reference and ours.

    The recorded worlds answer every question with one code; with a `gain` above 1 on the weights, answers
    differ from place to place and hang on what was revealed before.
    """
    config = read(case, stage)[1]
    torch.manual_seed(0)
    theirs = reference.build(stage, config)
    with torch.no_grad():
        for weight in theirs.parameters():
            if weight.ndim > 1:
                weight.mul_(gain)
    state = theirs.state_dict()
    ours = NETWORKS[stage](**v1_keys.network_config(stage, config, state))
    ours.load_state_dict(v1_keys.rename(stage, state), strict=True)
    return theirs, ours.eval()


@pytest.fixture
def clips():
    """Two clips of coloured squares, [2, 4, 3, 64, 64]: Pong's frames are nearly all background."""
    squares = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return squares.repeat_interleave(8, dim=-1).repeat_interleave(8, dim=-2) * 2 - 1


def vectors(case, key):
    """Recorded action ids as vectors [B, N, A]."""
    return plain(case, "latent_actions").quantizer.values(recorded(case)[key].long())


def largest_difference(frame, other):
    """In levels of 255; 1 is a value that was rounded to either side."""
    return np.abs(frame.astype(int) - other.astype(int)).max()


@every_case
def test_tokenizer(case):
    tokenizer, io, frames = plain(case, "video_tokenizer"), recorded(case), frames_of(case)
    torch.testing.assert_close(tokenizer.encoder(frames), io["tok_prequant"], **TOLERANCE)
    ids = tokenizer.encode(frames)
    assert torch.equal(ids, io["tok_indices"].long())
    torch.testing.assert_close(tokenizer.quantizer.values(ids), io["tok_latents"] / 1.5 - 1)
    reconstruction = tokenizer(frames)
    torch.testing.assert_close(thinned(reconstruction), io["tok_recon"], **TOLERANCE)
    torch.testing.assert_close(tokenizer.loss(frames), io["tok_loss"], **TOLERANCE)
    torch.testing.assert_close(network(case, "video_tokenizer")(frames), reconstruction, **TOLERANCE)


@every_case
def test_latent_actions(case):
    model, io, frames = plain(case, "latent_actions"), recorded(case), frames_of(case)
    torch.testing.assert_close(model.encoder(frames), io["act_prequant"], **TOLERANCE)
    assert torch.equal(model.encode(frames), io["act_indices"].long())
    torch.testing.assert_close(vectors(case, "act_indices"), io["act_latents"])
    prediction = model(frames)
    torch.testing.assert_close(thinned(prediction), io["act_pred_frames"], **TOLERANCE)
    torch.testing.assert_close(model.loss(frames), io["act_loss"], **TOLERANCE)
    torch.testing.assert_close(network(case, "latent_actions")(frames), prediction, **TOLERANCE)


@every_case
def test_dynamics_logits(case):
    model, io = plain(case, "dynamics"), recorded(case)
    ids, action_ids = io["tok_indices"].long(), io["act_indices"].long()
    given = {"dyn_logits_cond": (vectors(case, "act_indices"), action_ids), "dyn_logits_nocond": (None, None)}
    for key, (actions, known_ids) in given.items():
        logits = model(model.vectors(ids), actions)
        torch.testing.assert_close(logits[:, 2:, :: ids.shape[2] // 4], io[key], **TOLERANCE)
        torch.testing.assert_close(network(case, "dynamics").logits(ids, known_ids), logits, **TOLERANCE)


@every_case
@pytest.mark.parametrize(("context", "horizon", "steps"), [(2, 1, 10), (3, 1, 4), (2, 2, 8)])
def test_decoding(case, context, horizon, steps):
    model, tokenizer, io = plain(case, "dynamics"), plain(case, "video_tokenizer"), recorded(case)
    past = io["tok_indices"].long()[:1, :context]  # one clip: this is the slow way
    actions = vectors(case, "act_indices")[:1, : context + horizon - 1]
    new = reference.decode(model, past, actions, horizon, steps)
    name = f"dec_ctx{context}_h{horizon}_n{steps}"
    torch.testing.assert_close(model.vectors(new), io[name][:1] / 1.5 - 1)
    frames = tokenizer.decode(torch.cat([past, new], dim=1))[:, context:].clamp(-1, 1)
    torch.testing.assert_close(thinned(frames), io[f"{name}_frames"][:1], **TOLERANCE)


@every_case
def test_decoding_with_an_action_per_frame(case):
    model, io = plain(case, "dynamics"), recorded(case)
    actions = vectors(case, "play_action_indices")
    new = reference.decode(model, io["tok_indices"].long()[:, :2], actions, horizon=1, num_steps=10)
    torch.testing.assert_close(model.vectors(new), io["play_dec"] / 1.5 - 1)


@small_case
@pytest.mark.parametrize(("context", "horizon", "steps"), [(3, 1, 4), (2, 2, 8)])
def test_lively_decoding_agrees(case, context, horizon, steps, clips):
    theirs, ours = fresh(case, "dynamics", 2.5)
    past = fresh(case, "video_tokenizer", 2.5)[0].encode(clips)[:, :context]
    action_ids = torch.tensor([[0, 1, 2], [3, 0, 1]])[:, : context + horizon - 1]
    actions = reference.code_vectors(action_ids, 2, theirs.cond_dim)
    expected = reference.decode(theirs, past, actions, horizon, steps)
    assert len(expected.unique()) >= 5
    assert torch.equal(maskgit.decode(ours, past, action_ids, horizon, steps), expected)


@small_case
@pytest.mark.parametrize("feedback", ["codes", "pixels"])
def test_lively_worlds_agree(case, feedback, clips):
    pairs = {stage: fresh(case, stage, 2.5) for stage in NETWORKS}
    (plain_tokenizer, tokenizer), (plain_dynamics, dynamics) = pairs["video_tokenizer"], pairs["dynamics"]
    frames = ((clips[0] + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    theirs = reference.ReferenceWorld(plain_tokenizer, plain_dynamics, num_steps=4, feedback=feedback)
    ours = World(tokenizer, dynamics, context_frames=2, num_steps=4, feedback=feedback, precision="32")
    theirs.reset(frames, action_ids=[0, 1, 2])
    ours.reset(frames, action_ids=[0, 1, 2])
    for action in (0, 3, 1):
        assert largest_difference(ours.step(action), theirs.step(action)) <= 1
    assert len(theirs.ids.unique()) > 1


def test_world_of_public_weights_agrees():
    nets = {stage: plain("pong_small", stage) for stage in ("video_tokenizer", "dynamics")}
    theirs = reference.ReferenceWorld(*nets.values())
    ours = World(
        *(network("pong_small", stage) for stage in nets), context_frames=2, num_steps=10, feedback="pixels"
    )
    frames = np.load(PARITY / "pong_small" / "io.npz")["frames"][0].transpose(0, 2, 3, 1)
    theirs.reset(frames)
    ours.reset(frames, action_ids=[0, 0, 0])
    for action in (1, 2):
        assert largest_difference(ours.step(action), theirs.step(action)) <= 1


def gradients(stage, model, loss, renamed):
    """The gradient of every weight; the reference's under our names."""
    model.zero_grad()
    loss.backward()
    found = {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }
    return v1_keys.rename(stage, found) if renamed else found


@small_case
@pytest.mark.parametrize("stage", NETWORKS)
def test_training_agrees(case, stage, clips):
    theirs, ours = fresh(case, stage)
    theirs.train()
    ours.train()
    if stage == "dynamics":
        ids = fresh(case, "video_tokenizer", 2.5)[0].encode(clips)
        action_ids = torch.tensor([[0, 1, 2], [3, 0, 1]])
        torch.manual_seed(1)
        hidden = ours.masking(ids).targets != IGNORED
        torch.manual_seed(1)
        mine = ours.loss(ids, action_ids)["loss"]
        expected = reference.dynamics_loss(theirs, ids, action_ids, hidden)
    else:
        mine, expected = ours.loss(clips)["loss"], theirs.loss(clips)
    torch.testing.assert_close(mine, expected)
    torch.testing.assert_close(
        gradients(stage, ours, mine, renamed=False),
        gradients(stage, theirs, expected, renamed=True),
        **TOLERANCE,
    )


def test_masks_follow_the_rule():
    torch.manual_seed(0)
    hidden = torch.stack([reference.random_mask(torch.zeros(8, 4, 64)) for _ in range(20)])
    assert not hidden.all(dim=2).any()  # every place keeps a frame
    shares = hidden.float().mean(dim=(1, 2, 3))
    assert shares.min() > 0.5 * 0.75 - 0.05  # a quarter of what was drawn is taken back
    assert shares.max() < 0.75
    assert shares.std() > 0.05  # drawn anew for every batch


def test_updates_learn_and_leave_frozen_stages_alone(clips):
    torch.manual_seed(0)
    nets = {stage: reference.build(stage, read("moe", stage)[1]) for stage in NETWORKS}
    tokenizer, actions, dynamics = nets.values()
    optimizers = {
        stage: reference.make_optimizer(net, reference.LEARNING_RATES[stage]) for stage, net in nets.items()
    }
    losses = [reference.tokenizer_step(tokenizer, optimizers["video_tokenizer"], clips) for _ in range(5)]
    assert losses[-1] < losses[0]
    losses = [reference.latent_actions_step(actions, optimizers["latent_actions"], clips) for _ in range(5)]
    assert losses[-1] < losses[0]
    frozen = copy.deepcopy([tokenizer.state_dict(), actions.state_dict()])
    losses = [
        reference.dynamics_step(dynamics, tokenizer, actions, optimizers["dynamics"], clips) for _ in range(5)
    ]
    assert losses[-1] < losses[0]
    assert not losses[0].requires_grad
    for before, net in zip(frozen, (tokenizer, actions), strict=True):
        torch.testing.assert_close(dict(net.state_dict()), dict(before), rtol=0, atol=0)
