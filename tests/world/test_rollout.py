import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk

from tinyworlds.errors import ConfigError
from tinyworlds.metrics import frames as metrics
from tinyworlds.models import maskgit
from tinyworlds.world.action_source import ask_action, infer_actions, listed_actions
from tinyworlds.world.rollout import RolloutOptions, open_loop

NETWORKS = (FakeTokenizer(), FakeActions(), FakeDynamics())


def roll_out(frames, action_ids=None, **options):
    return open_loop(*NETWORKS, frames, RolloutOptions(**options), action_ids)


def test_a_true_world_is_followed_exactly_and_context_is_kept_apart():
    frames, actions = walk()
    result = roll_out(frames, horizon=8, context_frames=3)
    assert result.prediction.shape == result.truth.shape == (2, 8, 3, 16, 16)
    torch.testing.assert_close(result.prediction, frames[:, 3:11])
    torch.testing.assert_close(result.action_ids, actions[:, 2:10])
    assert (
        metrics.psnr(result.repeated, result.truth).mean()
        < 30
        < metrics.psnr(result.counted, result.truth).min()
    )


def test_default_context_is_that_of_training():
    assert roll_out(walk()[0], horizon=2).context.shape[1] == 3


def test_output_is_clamped_and_both_ranges_are_told():
    result = roll_out(walk()[0], horizon=2)
    torch.testing.assert_close(result.raw_range, torch.tensor([[-1.2, 1.2]] * 2))
    torch.testing.assert_close(result.clamped_range, torch.tensor([[-1.0, 1.0]] * 2))
    assert result.prediction.abs().max() <= 1


def test_teacher_forced_starts_from_the_truth_each_time():
    frames, actions = walk()
    wrong = (actions + 1) % 4
    free = roll_out(frames, wrong, horizon=4)
    forced = roll_out(frames, wrong, horizon=4, teacher_forced=True)
    assert not torch.equal(free.prediction[:, 1:], forced.prediction[:, 1:])
    right = roll_out(frames, actions, horizon=4, teacher_forced=True)
    torch.testing.assert_close(right.prediction, frames[:, 3:7])


@pytest.mark.parametrize("feedback", ["codes", "pixels"])
def test_given_list_is_taken_and_its_last_entry_held(feedback):
    frames, _ = walk(length=3)  # no truth beyond the context is needed
    result = roll_out(frames, actions="1,2", horizon=4, feedback=feedback)
    assert result.action_ids.tolist() == [[1, 2, 2, 2]] * 2
    assert result.truth.shape[1] == 0
    torch.testing.assert_close(result.prediction[:, 1], frames[:, 2])  # right, then left again


def test_random_actions_follow_the_generator_or_the_seed():
    frames, _ = walk()
    options = RolloutOptions(actions="random", horizon=6, seed=1)

    def drawn(seed):
        generator = torch.Generator().manual_seed(seed)
        return open_loop(*NETWORKS, frames, options, generator=generator).action_ids

    assert torch.equal(drawn(1), open_loop(*NETWORKS, frames, options).action_ids)
    assert not torch.equal(drawn(1), drawn(2))


def test_no_actions():
    frames, _ = walk()
    result = open_loop(NETWORKS[0], None, NETWORKS[2], frames, RolloutOptions("none", horizon=2))
    assert result.action_ids is None
    torch.testing.assert_close(result.prediction[:, 0], frames[:, 2])  # the fake world then stays


def test_asked_actions_are_typed_step_by_step(monkeypatch):
    entries = iter(["9", "jump", "", " 1", "2"])
    questions = []

    def prompt(question):
        questions.append(question)
        return next(entries)

    result = open_loop(*NETWORKS, walk(length=3)[0], RolloutOptions("ask", horizon=2), prompt=prompt)
    assert result.action_ids[0].tolist() == [1, 2]
    assert len(questions) == 5
    assert "'jump' is no action" in questions[2]


def test_ask_uses_the_last_action_too():
    assert ask_action(4, 0, lambda _: "3") == 3


def test_asking_a_closed_input_is_one_line():
    def closed(_):
        raise EOFError

    with pytest.raises(ConfigError, match="generated frame 3"):
        ask_action(4, 2, closed)


def test_actions_of_long_clips_are_inferred_window_by_window():
    frames, actions = walk(length=12)

    class Strict(FakeActions):
        def encode(self, frames):
            assert frames.shape[1] == 4
            return super().encode(frames)

    for length in (4, 6, 7, 12):
        torch.testing.assert_close(infer_actions(Strict(), frames[:, :length], 4), actions[:, : length - 1])
    torch.testing.assert_close(infer_actions(FakeActions(), frames[:, :2], 4), actions[:, :1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actions": "infered"}, "Did you mean 'inferred'"),
        ({"actions": "0,-1"}, "0 or above"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"temperature": -1.0}, "temperature"),
        ({"feedback": "frames"}, "codes, memory, pixels"),
        ({"actions": "ask", "teacher_forced": True}, "excludes teacher_forced"),
    ],
)
def test_bad_options_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        RolloutOptions(**settings)


def test_too_short_clips_say_what_to_raise():
    frames, _ = walk(length=5)
    with pytest.raises(ConfigError, match=r"data\.num_frames"):
        roll_out(frames, horizon=4)
    with pytest.raises(ConfigError, match=r"data\.num_frames"):
        roll_out(frames, actions="0,1", horizon=4, teacher_forced=True)
    with pytest.raises(ConfigError, match="this world has 0 to 3"):
        roll_out(frames, actions="0,7")
    with pytest.raises(ConfigError, match="needs a latent-action model"):
        open_loop(NETWORKS[0], None, NETWORKS[2], frames, RolloutOptions(horizon=1))


def test_rollouts_are_repeatable():
    options = RolloutOptions(actions="random", horizon=3, temperature=1.0, seed=4)
    frames, _ = walk()
    first, second = (open_loop(*NETWORKS, frames, options) for _ in range(2))
    assert torch.equal(first.prediction, second.prediction)
    assert options.num_frames(NETWORKS[2]) == 6
    one = first.first(1)
    assert len(one.prediction) == len(one.truth) == len(one.action_ids) == 1
    assert listed_actions("random") is None


def test_the_schedule_reaches_the_decoder(monkeypatch):
    seen, fill = [], maskgit.fill
    monkeypatch.setattr(
        maskgit,
        "fill",
        lambda guess, blank, sampling, rng: seen.append(sampling) or fill(guess, blank, sampling, rng),
    )
    roll_out(walk()[0], horizon=2, num_steps=3, schedule="cosine")
    assert seen == [maskgit.Sampling(3, schedule="cosine")] * 2
