import itertools
import math

import pytest
import torch
from rerun import Rerun

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import DynamicsModel, maskgit
from tinyworlds.models.continuation import Continuation


class Recorder(torch.nn.Module):
    """A dynamics network of fixed random opinions that remembers what it was shown."""

    mask_id = 10

    def __init__(self, joint=False, num_past=3):
        super().__init__()
        self.joint_horizon, self.num_past = joint, num_past
        self.seen, self.actions = [], []

    def logits(self, ids, action_ids=None):
        self.seen.append(ids)
        self.actions.append(action_ids)
        generator = torch.Generator().manual_seed(len(self.seen))
        return torch.randn(*ids.shape, self.mask_id, generator=generator) * 3


@pytest.fixture(autouse=True)
def whole_canvases(monkeypatch):
    """A `Recorder` is shown all frames in every pass."""
    begin = maskgit.begin
    monkeypatch.setattr(
        maskgit,
        "begin",
        lambda dynamics, *past, **settings: (Rerun if isinstance(dynamics, Recorder) else begin)(
            dynamics, *past, **settings
        ),
    )


@pytest.fixture
def past():
    return torch.randint(10, (3, 2, 64), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", maskgit.SCHEDULES)
@pytest.mark.parametrize(("tokens", "steps"), [(256, 10), (64, 4), (16, 16), (9, 1), (4, 10), (512, 8)])
def test_schedules_reveal_everything_in_time(name, tokens, steps):
    counts = maskgit.schedule(name, tokens, steps)
    assert sum(counts) == tokens
    assert len(counts) <= steps
    assert min(counts) >= 1
    if name != "exponential":  # whose least share may finish early
        assert len(counts) == min(steps, tokens)
    if steps == 10 and tokens == 256:
        assert len(counts) == 10


@pytest.mark.parametrize("name", ["exponential", "cosine", "linear"])
def test_schedules_do_not_slow_down(name):
    counts = maskgit.schedule(name, 1024, 12)
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(counts))


def test_exponential_schedule_counts_passes_from_zero_and_keeps_a_least_share():
    # by the seventh pass a sixteenth of all in every pass is more than the formula asks for
    assert math.ceil(1000 * math.expm1(5 * 6 / 8) / math.expm1(5)) < 7 * 62
    assert maskgit.schedule("exponential", 1000, 8) == [62] * 7 + [566]
    assert maskgit.schedule("exponential", 256, 10) == [16] * 9 + [112]


def test_unknown_schedule_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'cosine'"):
        maskgit.schedule("cosin", 4, 2)
    with pytest.raises(ConfigError, match="num_steps must be at least 1"):
        maskgit.schedule("cosine", 4, 0)


@pytest.mark.parametrize("patches", [16, 64, 100])
def test_halton_visits_every_patch_once_and_spreads(patches):
    ranks = maskgit.halton_ranks(patches)
    assert sorted(ranks) == list(range(patches))
    grid = math.isqrt(patches)
    first = [divmod(ranks.index(k), grid) for k in range(4)]
    closest = min(math.dist(a, b) for a, b in itertools.combinations(first, 2))
    assert closest >= grid / 5


def test_greedy_sampling_takes_the_likeliest():
    logits = torch.randn(5, 7, 11)
    tokens, confidence = maskgit.sample_tokens(logits)
    assert torch.equal(tokens, logits.argmax(-1))
    torch.testing.assert_close(confidence, logits.softmax(-1).amax(-1))


def test_confidence_comes_from_the_tempered_softmax():
    logits = torch.randn(5, 11)
    _, confidence = maskgit.sample_tokens(logits, temperature=0.5)
    torch.testing.assert_close(confidence, (logits / 0.5).softmax(-1).amax(-1))


def test_samples_follow_the_distribution():
    probability = torch.tensor([0.5, 0.3, 0.2])
    tokens, _ = maskgit.sample_tokens(probability.log().expand(20_000, 3), temperature=1.0)
    torch.testing.assert_close(tokens.bincount() / 20_000, probability, rtol=0, atol=0.02)


def test_top_k_and_top_p_limit_the_choice():
    probability = torch.tensor([0.05, 0.5, 0.3, 0.15])
    logits = probability.log().expand(5000, 4)
    drawn = {
        (k, p): set(maskgit.sample_tokens(logits, 1.0, k, p)[0].tolist())
        for k, p in [(1, None), (2, None), (99, None), (None, 0.5), (None, 0.51), (None, 1.0), (3, 0.6)]
    }
    assert drawn[1, None] == {1}
    assert drawn[2, None] == {1, 2}
    assert drawn[99, None] == {0, 1, 2, 3}
    assert drawn[None, 0.5] == {1}
    assert drawn[None, 0.51] == {1, 2}
    assert drawn[None, 1.0] == {0, 1, 2, 3}
    assert drawn[3, 0.6] == {1, 2}


def test_same_seed_same_result(past):
    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        return maskgit.decode(Recorder(), past, horizon=2, temperature=1.0, generator=generator)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_temperature_zero_is_deterministic_and_uses_no_random_numbers(past):
    state = torch.get_rng_state()
    first = maskgit.decode(Recorder(), past, horizon=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, maskgit.decode(Recorder(), past, horizon=2))


@pytest.mark.parametrize("name", maskgit.SCHEDULES)
@pytest.mark.parametrize("joint", [False, True])
def test_steps_are_kept_and_a_revealed_token_never_changes(past, name, joint):
    dynamics = Recorder(joint)
    new = maskgit.decode(dynamics, past, horizon=1, num_steps=6, temperature=1.0, schedule=name)
    assert new.shape == (3, 1, 64)
    assert len(dynamics.seen) == 6
    views = [seen[:, 2:] for seen in dynamics.seen] + [new]
    assert (views[0] == 10).all()
    assert (new < 10).all()
    for earlier, later in itertools.pairwise(views):
        kept = earlier != 10
        assert torch.equal(earlier[kept], later[kept])
        assert (later != 10).sum() > kept.sum()
    assert all(torch.equal(seen[:, :2], past) for seen in dynamics.seen)


def test_each_clip_reveals_its_own_surest_tokens(past):
    dynamics = Recorder()
    maskgit.decode(dynamics, past, num_steps=3)
    counts = (dynamics.seen[1][:, 2] != 10).sum(dim=1)
    assert (counts == maskgit.schedule("exponential", 64, 3)[0]).all()
    places = dynamics.seen[1][:, 2] != 10
    assert not torch.equal(places[0], places[1])


def test_joint_horizon_fills_all_frames_together(past):
    dynamics = Recorder(joint=True)
    actions = torch.arange(4).expand(3, 4)
    assert maskgit.decode(dynamics, past, actions, horizon=3, num_steps=5).shape == (3, 3, 64)
    assert len(dynamics.seen) == 5
    assert all(seen.shape == (3, 5, 64) for seen in dynamics.seen)
    assert torch.equal(dynamics.actions[0], actions)


@pytest.mark.parametrize("lead", [0, 1])
def test_frame_by_frame_slides_the_window_and_its_actions(past, lead):
    dynamics = Recorder(num_past=3)
    actions = torch.arange(6 + lead).expand(3, 6 + lead)
    new = maskgit.decode(dynamics, past, actions, horizon=5, num_steps=1)
    assert [seen.shape[1] for seen in dynamics.seen] == [3, 4, 4, 4, 4]
    assert torch.equal(dynamics.seen[-1][:, :3], new[:, 1:4])
    assert dynamics.actions[0][0].tolist() == list(range(2 + lead))
    assert dynamics.actions[-1][0].tolist() == list(range(3, 6 + lead))


@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_a_clip_does_not_depend_on_its_neighbours_in_the_batch(architecture):
    torch.manual_seed(0)
    model = DynamicsModel(16, 3, 3, 16, 2, 32, 2, 4, architecture=architecture).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids, actions = torch.randint(27, (3, 2, 16)), torch.randint(4, (3, 3))
    together = maskgit.decode(model, ids, actions, horizon=2, num_steps=4)
    alone = [maskgit.decode(model, ids[i : i + 1], actions[i : i + 1], 2, 4) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize(("architecture", "experts"), [("v1", 0), ("v2", 0), ("v2", 3)])
def test_remembering_the_past_changes_nothing(architecture, experts, lead):
    torch.manual_seed(0)
    model = DynamicsModel(16, 3, 3, 16, 2, 32, 2, 4, experts, architecture=architecture).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    past, new = torch.randint(27, (3, 2, 16)), torch.randint(28, (3, 2, 16))
    everywhere = torch.arange(32).expand(3, -1)
    for actions in (None, torch.randint(4, (3, 3 + lead))):
        before, after = (None, None) if actions is None else (actions[:, :-2], actions[:, -2:])
        guesses = []
        for begin in (Continuation, Rerun):
            guess = begin(model, past, before, 2)
            guess.expect(after, 2)
            guesses.append(guess.logits(new, everywhere))
        torch.testing.assert_close(*guesses, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("architecture", "limit"), [("v1", 3), ("v1", 8), ("v2", 3), ("v2", 8)])
def test_a_clip_that_goes_on_is_remembered_exactly(architecture, limit):
    """Frame by frame, in a window that grows and then slides."""
    torch.manual_seed(0)
    model = DynamicsModel(16, 3, 3, 16, 2, 32, 2, 4, architecture=architecture).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids, actions = torch.randint(27, (2, 7, 16)), torch.randint(4, (2, 6))
    masked, everywhere = torch.full((2, 1, 16), model.mask_id), torch.arange(16).expand(2, -1)
    kept, rerun = (begin(model, ids[:, :2], actions[:, :1], limit) for begin in (Continuation, Rerun))
    for t in range(2, 7):
        for guess in (kept, rerun):
            guess.expect(actions[:, t - 1 : t])
        torch.testing.assert_close(
            kept.logits(masked, everywhere), rerun.logits(masked, everywhere), rtol=1e-4, atol=1e-4
        )
        for guess in (kept, rerun):
            guess.accept(ids[:, t : t + 1])


@torch.no_grad()
def test_a_v2_memory_slides_as_if_the_clip_had_begun_earlier():
    """With one block keys depend on their own frame only: what is forgotten was as if never seen."""
    torch.manual_seed(0)
    model = DynamicsModel(16, 3, 3, 16, 2, 32, 1, 4).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids, actions = torch.randint(27, (2, 9, 16)), torch.randint(4, (2, 8))
    guess = maskgit.begin(model, ids[:, :1], actions[:, :0], 3, slides=True)
    for t in range(1, 8):
        guess.expect(actions[:, t - 1 : t])
        guess.accept(ids[:, t : t + 1])
    guess.expect(actions[:, 7:])
    # [B, T] actions: one leads to the window's first frame, too; the frame before it is known as well
    previous = ids[:, 4:8]
    new = torch.cat([ids[:, 5:8], torch.full((2, 1, 16), model.mask_id)], dim=1)
    window = model.logits(new, actions[:, 4:8], previous)[:, -1:]
    torch.testing.assert_close(
        guess.logits(new[:, -1:], torch.arange(16).expand(2, -1)), window[:, 0], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_one_past_frame_is_enough(architecture):
    model = DynamicsModel(16, 3, 3, 16, 2, 32, 2, 4, architecture=architecture).eval()
    for actions in (None, torch.zeros(1, 1, dtype=torch.int64)):
        assert maskgit.decode(model, torch.zeros(1, 1, 16, dtype=torch.int64), actions).shape == (1, 1, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 or above"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"top_p": 1.5}, "top_p must lie in"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"schedule": "fast"}, "schedule 'fast' is unknown"),
    ],
)
def test_settings_out_of_range_are_refused(past, settings, message):
    with pytest.raises(ConfigError, match=message):
        maskgit.decode(Recorder(), past, **settings)


def test_a_wrong_number_of_actions_is_refused(past):
    with pytest.raises(DataError, match="take 3 or 4 actions, got 2"):
        maskgit.decode(Recorder(), past, torch.zeros(3, 2, dtype=torch.int64), horizon=2)


@pytest.mark.parametrize("schedule", ["halton", "exponential"])
@pytest.mark.parametrize("temperature", [0.0, 1.3])
@pytest.mark.parametrize("num_steps", [1, 4])
def test_sureness_is_the_mean_log_probability_of_each_code_when_it_was_revealed(
    past, schedule, temperature, num_steps
):
    dynamics = Recorder()
    dynamics.ranks_drawn_codes = True
    sampling = maskgit.Sampling(num_steps, temperature, schedule=schedule)
    guess = Rerun(dynamics, past, None, 3)
    guess.expect(None)
    blank = torch.full((3, 1, 64), dynamics.mask_id)
    new, sureness = maskgit.fill(guess, blank, sampling, torch.Generator().manual_seed(0))
    expected = torch.zeros(3, 64)
    given = [ids[:, -1] for ids in dynamics.seen]
    for number, (before, after) in enumerate(zip(given, [*given[1:], new[:, 0]], strict=True)):
        generator = torch.Generator().manual_seed(number + 1)
        logits = torch.randn(*dynamics.seen[number].shape, 10, generator=generator)[:, -1] * 3
        chances = (logits / (temperature or 1)).log_softmax(-1)
        of_new = chances.gather(-1, new[:, 0, :, None])[..., 0]
        expected += torch.where(before != after, of_new, 0.0)
    assert torch.allclose(sureness, expected.mean(1), atol=1e-5)
