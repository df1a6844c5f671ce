import json
import math
import re
import shutil

import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk
from paths import FIXTURES

from tinyworlds.api import World
from tinyworlds.commands.evaluate import main
from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import ConfigError, DataError, VideoError
from tinyworlds.evaluation.evaluate import evaluate_world
from tinyworlds.evaluation.pictures import action_sheet, typical
from tinyworlds.evaluation.rows import (
    FIGURES,
    MOTION_BARS,
    PLAYABLE,
    PLAYED,
    PREDICTIONS,
    QUICKSTART_BARS,
    SOURCES,
    Bar,
)  # fmt: skip
from tinyworlds.evaluation.run import evaluate, write_report
from tinyworlds.evaluation.sources import actions_of, sent_at_play
from tinyworlds.media.pixels import input_to_frames
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.world.info import WorldInfo

NAMES = ("stay", "right", "left", "down")


class Deaf(FakeDynamics):
    """A world that does not listen: everything stays."""

    def conditioning(self, action_ids, ids):
        return super().conditioning(None, ids)


class Collapsed(FakeActions):
    def encode(self, frames):
        return torch.zeros_like(super().encode(frames))


def fake_world(dynamics=FakeDynamics, actions=FakeActions, source="latent", names=NAMES, idle=0):
    info = WorldInfo(game="walk", fps=10.0, actions=source, action_names=names, idle_action=idle)
    return World(FakeTokenizer(), dynamics(), actions(), info=info)


def fake_clips(batch=12, length=11, with_actions=True, clips_an_episode=2):
    frames, actions = walk(batch, length, seed=3)
    episodes = torch.arange(batch) // clips_an_episode
    taken = actions if with_actions else None
    return Clips(input_to_frames(frames), taken, 10.0, "walks", episodes, NAMES if with_actions else ())


def test_a_perfect_world_gets_perfect_figures():
    report = evaluate_world(fake_world(), fake_clips(), batch_size=10).report
    assert report.value("tokenizer_psnr") > 58
    assert report.value("actions_used") == 4
    assert report.value("action_nmi") == pytest.approx(1.0)
    for source in ("inferred", "pressed"):
        assert report.value(f"one_step_psnr_{source}") > 58
        assert report.value(f"one_step_gain_pooled_{source}") == pytest.approx(
            report.value(f"one_step_psnr_{source}") - report.value("one_step_psnr_repeat")
        )
        assert report.figures[f"delta_t_psnr_{source}"].low > 5
        assert report.figures[f"one_step_above_random_{source}"].low > 5
        assert report.horizon_psnr[source][7] > 58 > 30 > report.repeat_psnr[7]
        assert report.value(f"last_step_gain_pooled_{source}") == report.horizon_gain[source][7].value
        assert report.value(f"rollout_motion_gain_{source}") > 20
    assert report.value("one_step_gain_pooled_random") < 5
    assert report.headline == "pressed"
    assert (report.num_clips, report.num_episodes) == (12, 6)
    assert report.missed(report.listening_bars) == []


@pytest.mark.parametrize(
    ("names", "idle", "works"),
    [
        (NAMES, 0, True),
        (("right", "stay", "down", "left"), 0, False),  # keys that lie
        (("stay", "right", "left", "action 3"), 0, False),  # no key for down: at play nothing happens
        (("action 0", "right", "left", "down"), 0, True),  # staying needs no key where it is idle
    ],
)
def test_marks_rest_on_what_a_key_does_not_on_what_the_truth_tells(names, idle, works):
    report = evaluate_world(fake_world(names=names, idle=idle), fake_clips()).report
    assert report.value("one_step_psnr_inferred") > 58  # read from the answer: always right
    assert (report.value("one_step_psnr_pressed") > 58) == works
    assert report.value("one_step_gain_pooled_inferred") > 20
    bars = {"one_step_gain_pooled_pressed": Bar(20.0), "last_step_gain_pooled_pressed": Bar(20.0)}
    assert report.missed(bars) == ([] if works else list(bars))
    wanted = {name: names.index(name) if name in names else None for name in NAMES}
    assert report.pressed_as == wanted
    for name in set(NAMES) - set(names):
        assert f"{name} = none found, so the idle one" in report.to_markdown()


@pytest.mark.parametrize(
    ("info", "sent"),
    [
        ({"action_names": NAMES}, [0, 1, 2, 3]),  # a world of an earlier version: by its names
        ({"true_actions": {"stay": 3, "right": 2, "left": 2, "down": None}}, [3, 2, 2, None]),
        (
            {"true_actions": {"stay": 3, "right": 2, "left": 2}, "key_map": {"d": 1}},
            [3, 1, 2, None],
        ),  # bound anew
        ({"key_map": {"left": 3, "right": 0}}, [None, 0, 3, None]),  # keys after what dreams show
        ({}, [None] * 4),
    ],
)
def test_a_true_action_is_sent_as_its_key_sends_it_at_play(info, sent):
    world = World(FakeTokenizer(), FakeDynamics(), FakeActions(), info=WorldInfo(game="walk", **info))
    assert sent_at_play(world, NAMES) == sent


def test_keys_of_a_title_are_known_whatever_the_order_of_its_recording():
    info = WorldInfo(game="doom", key_map={"a": 0, "d": 1, "space": 2})
    world = World(FakeTokenizer(), FakeDynamics(), FakeActions(), info=info)
    assert sent_at_play(world, ("attack", "turn_left", "noop", "turn_right")) == [2, 0, None, 1]


def test_numbers_are_no_names():
    """A true action without a name is no latent one of that number."""
    clips = fake_clips()
    nameless = Clips(clips.frames, clips.actions, 10.0, "walks", clips.episodes)
    report = evaluate_world(fake_world(names=()), nameless).report
    assert report.pressed_as == {f"action {i}": None for i in range(4)}
    assert report.true_action_names == [f"action {i}" for i in range(4)]


def test_a_world_without_keys_does_not_hide_behind_the_answer():
    """No latent action carries a true one: whatever is pressed, it idles, and its marks are missed."""
    report = evaluate_world(fake_world(names=()), fake_clips()).report
    assert report.headline == "pressed"
    assert report.value("one_step_psnr_inferred") > 58
    assert set(report.missed(MOTION_BARS)) >= {"one_step_gain_pooled_pressed", "delta_t_psnr_pressed"}
    assert report.missed(report.listening_bars) == list(report.listening_bars)


def test_what_is_pressed_is_not_learnt_from_the_clips_that_are_measured():
    """The same keys whatever the clips are: here all of them go left."""
    frames, actions = walk(8, 11, seed=3, actions=torch.full((8, 11), 2))
    clips = Clips(input_to_frames(frames), actions, 10.0, "walks", torch.arange(8), NAMES)
    report = evaluate_world(fake_world(names=("stay", "left", "right", "down")), clips).report
    assert report.pressed_as == {"left": 1}
    assert report.value("one_step_psnr_pressed") < 30


@pytest.mark.parametrize("bars", [QUICKSTART_BARS, MOTION_BARS])
def test_no_mark_rests_on_the_answer(bars):
    """Each is on a row there is; those on predictions on what was pressed, as a play test always is."""
    assert PLAYABLE.keys() <= bars.keys() & PLAYED.keys()
    rows = {key: key.rpartition("_") for key in bars if key not in {**FIGURES, **PLAYED}}
    assert rows
    for row, _, source in rows.values():
        assert row in PREDICTIONS
        assert source == "pressed"


def test_without_true_actions_marks_are_above_random():
    report = evaluate_world(fake_world(), fake_clips(with_actions=False)).report
    assert report.headline == "inferred"
    assert not any(key.endswith("_pressed") for key in report.figures)
    assert set(report.listening_bars) == {"one_step_above_random_inferred", "last_step_above_random_inferred"}
    assert report.missed(report.listening_bars) == []
    deaf = evaluate_world(fake_world(Deaf), fake_clips(with_actions=False)).report
    assert deaf.missed(deaf.listening_bars) == list(deaf.listening_bars)


class Doubtful(FakeDynamics):
    """Guesses wildly where the bright patch stands at every second place."""

    def __init__(self):
        super().__init__()
        self.transformer = Doubt(self.transformer)


class Doubt(torch.nn.Module):
    slides = True

    def __init__(self, follow):
        super().__init__()
        self.follow = follow

    def forward(self, previous, condition, memory):
        logits = self.follow(previous, condition, memory)
        bright = (
            (previous == 3).flatten(2).int().argmax(-1)[..., None, None]
        )  # where the patch is, [B, T, 1, 1]
        return torch.where(bright % 2 == 0, logits, 0.02 * logits.flip(-1))


def test_a_world_that_knows_when_it_errs_is_less_sure_then():
    report = evaluate_world(fake_world(Doubtful), fake_clips()).report
    found = report.figures["one_step_sureness_pressed"]
    assert found.value < -0.9
    assert found.low <= found.value <= found.high < 0
    # in a rollout it goes on from its mistakes as if they were true, and surely
    assert report.value("rollout_sureness_pressed") > found.value + 0.2
    assert "rank correlation of how sure the world is with the error" in report.to_markdown()
    sure = evaluate_world(fake_world(), fake_clips()).report  # of everything
    assert not any("sureness" in row for row in sure.figures)


def test_nmi_counts_only_the_clips_given():
    found = evaluate_world(fake_world(), fake_clips())
    table = torch.tensor(found.report.confusion)
    assert table.sum().item() == 12 * 10
    assert table.trace().item() == 12 * 10  # the fake action model finds the true ids


def test_a_deaf_world_is_nothing_above_random():
    report = evaluate_world(fake_world(Deaf), fake_clips()).report
    for row in ("delta_t_psnr", "one_step_above_random", "last_step_above_random"):
        for source in ("inferred", "pressed"):
            assert report.value(f"{row}_{source}") == 0


def test_random_actions_are_those_that_gameplay_has():
    """One action in a thousand makes noise of a picture: anything is above it, also a world that is deaf."""
    drawn = torch.randint(3, (24, 60), generator=torch.Generator().manual_seed(0))
    drawn[5, 7] = 3
    frames, actions = walk(24, 60, 0, drawn)
    clips = Clips(input_to_frames(frames), actions, 10.0, "walks", torch.arange(24), NAMES)
    by_source = actions_of(fake_world(), clips, 8, 0).by_source
    assert 3 in by_source["inferred"]
    assert by_source["random"].unique().tolist() == [0, 1, 2]


def test_repeating_the_last_frame_gains_nothing_anywhere():
    """What stays is the baseline of every gain, also of that of moving pixels."""
    report = evaluate_world(fake_world(Deaf), fake_clips()).report
    gains = [key for key in report.figures if "gain" in key]
    assert len(gains) == 6 * 3
    for key in gains:
        assert report.value(key) == pytest.approx(0, abs=1e-3), key


def test_collapsed_actions_are_seen():
    report = evaluate_world(fake_world(actions=Collapsed), fake_clips()).report
    assert report.value("actions_used") == 1
    assert report.value("action_nmi") == 0


def test_a_world_on_labels_and_one_without_actions():
    labels = evaluate_world(fake_world(source="labels"), fake_clips()).report
    assert labels.figures["delta_t_psnr_pressed"].low > 5
    assert set(labels.horizon_psnr) == {"pressed", "random"}
    assert "actions_used" not in labels.figures
    none = evaluate_world(fake_world(source="none"), fake_clips()).report
    assert set(none.horizon_psnr) == {"none"}
    assert not any("random" in key for key in none.figures)
    assert none.listening_bars == {}
    with pytest.raises(DataError, match="walks holds no actions"):
        evaluate_world(fake_world(source="labels"), fake_clips(with_actions=False))


def test_frames_without_labels_are_enough():
    report = evaluate_world(fake_world(), fake_clips(with_actions=False)).report
    assert "action_nmi" not in report.figures
    assert report.confusion == []
    assert report.value("actions_used") == 4
    assert math.isnan(report.value("action_nmi"))


@pytest.mark.parametrize("names", [NAMES, ("right", "stay", "down", "left")])
def test_batches_do_not_matter(names):
    whole = evaluate_world(fake_world(names=names), fake_clips(), batch_size=64).report
    parts = evaluate_world(fake_world(names=names), fake_clips(), batch_size=5).report
    assert whole.figures.keys() == parts.figures.keys()
    for key in whole.figures:
        assert whole.value(key) == pytest.approx(parts.value(key), rel=1e-5, abs=1e-5), key


@pytest.mark.parametrize("clips_an_episode", [1, 4])
def test_intervals_are_over_episodes(clips_an_episode):
    report = evaluate_world(fake_world(), fake_clips(clips_an_episode=clips_an_episode)).report
    assert report.num_episodes == 12 // clips_an_episode
    counts = {found.count for found in report.figures.values()}
    assert counts == {0, report.num_episodes}
    told = f"12 clips of {report.num_episodes} episodes; intervals are 95 %, over episodes."
    assert told in report.to_markdown()


def test_one_episode_gives_no_interval(tmp_path):
    world, clips = fake_world(), fake_clips(clips_an_episode=12)
    found = evaluate_world(world, clips)
    text = found.report.to_markdown(found.report.listening_bars)
    assert "12 clips of one episode, so that no interval can be given." in text
    assert "one episode gives no interval" in text
    assert not re.search(r"\binf\b|\bnan\b", text)
    write_report(tmp_path, found, world)
    figure = json.loads((tmp_path / "metrics.json").read_text())["figures"]["tokenizer_psnr"]
    assert figure["low"] is figure["high"] is None


def test_every_row_says_its_statistic_and_has_its_mark_on_it():
    bars = {"one_step_gain_pooled_pressed": Bar(500.0), "delta_t_psnr_inferred": Bar(1.0)}
    text = evaluate_world(fake_world(), fake_clips()).report.to_markdown(bars)
    [columns] = [line for line in text.splitlines() if line.startswith("| prediction; ")]
    names = [cell.strip() for cell in columns.strip("|").split("|")]
    head = "prediction; latent actions"
    assert names == [head, "statistic", "repeat", "inferred", "pressed", "random", "asked", "met"]
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in text.splitlines() if line[:2] == "| "}
    for key, (title, statistic, _) in {**FIGURES, **PREDICTIONS}.items():
        if not key.endswith("_sureness"):  # this world is as sure of every frame as of any other
            assert rows[title][0].strip() == statistic, key
    asked = {title: cells[-3:-1] for title, cells in rows.items() if len(cells) == 8}
    pooled, delta = PREDICTIONS["one_step_gain_pooled"][0], PREDICTIONS["delta_t_psnr"][0]
    assert [cell.strip() for cell in asked.pop(pooled)] == ["pressed 500 or more", "**no**"]
    assert [cell.strip() for cell in asked.pop(delta)] == ["inferred 1 or more", "yes"]
    del asked[head]
    assert not any(cell.strip() for cells in asked.values() for cell in cells)
    ssims = [text for text in rows[PREDICTIONS["rollout_ssim"][0]][1:5]]
    assert all(0.2 < float(cell.split()[0]) <= 1 for cell in ssims)  # the baseline's, too
    for cell in (cell for cells in rows.values() for cell in cells if " to " in cell):
        assert len({len(number.partition(".")[2]) for number in re.findall(r"-?\d+\.\d+", cell)}) == 1, cell
    named = [line.split()[1] for line in text.splitlines() if " above repeat, dB |" in line]
    assert named == ["inferred", "pressed", "random"]
    for source in ("inferred", "pressed", "random", "repeat"):
        assert f"- {source}: {SOURCES[source]}" in text
    assert "read from the frames that are predicted" in text


def test_progress_ends_at_one():
    told = []
    evaluate_world(fake_world(), fake_clips(8), batch_size=3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_too_few_or_short_clips_are_refused():
    with pytest.raises(DataError, match="2 held-out clips of 11 frames"):
        evaluate_world(fake_world(), fake_clips(length=7))
    with pytest.raises(DataError, match="2 held-out clips"):
        evaluate_world(fake_world(), fake_clips(1))


def test_report_is_written_with_pictures_and_bars(tmp_path):
    world = fake_world()
    found = evaluate_world(world, fake_clips(8, clips_an_episode=2))
    bars = {
        "tokenizer_psnr": Bar(28.0),
        "action_nmi": Bar(2.0),
        "delta_t_psnr_pressed": Bar(1.0, interval_above=0.0),
    }
    write_report(tmp_path / "out", found, world, bars)
    assert found.report.missed(bars) == ["action_nmi"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "metrics.json", "report.md", "report.html", "tokenizer.png", "open_loop.png", "open_loop.mp4",
        "action_sheet.png", "actions.png", "horizon.png",
    }  # fmt: skip
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["figures"]["action_nmi"]["value"] == pytest.approx(1.0)
    assert content["bars"]["last_step_above_random_pressed"]["met"] is True
    assert content["bars"]["delta_t_psnr_pressed"]["met"] is True
    text = (tmp_path / "out" / "report.md").read_text()
    assert "![What each action does](action_sheet.png)" in text
    assert "| latent with true actions: normalised mutual information |" in text
    assert "**no**" in text


def test_rows_of_the_action_sheet_have_the_names_of_the_keys_and_no_others(tmp_path, monkeypatch):
    """Here "down" is always latent action 3, but the world has no key for it: the sheet must not name one."""
    drawn = []
    monkeypatch.setattr("tinyworlds.evaluation.pictures.save_strip", lambda *args: drawn.append(args))
    info = WorldInfo(
        action_names=("stay", "right", "left", "action 3"),
        true_actions={"stay": 0, "right": 1, "left": 2, "down": None},
    )
    world = World(FakeTokenizer(), FakeDynamics(), FakeActions(), info=info)
    frames, _ = fake_clips().batch(0, 1)
    action_sheet(tmp_path / "sheet.png", world, frames[0], [0.5, 0.25, 0.125, 0.125])
    (_, _, rows, _, title) = drawn[0]
    assert rows == [
        "0: stay, 50 % of the time", "1: right, 25 % of the time", "2: left, 12 % of the time",
        "3: 12 % of the time",
    ]  # fmt: skip
    assert title.endswith("; nothing found for down")


def test_a_failing_codec_costs_only_the_clip(tmp_path, monkeypatch, caplog):
    def no_codec(*_):
        raise VideoError("no codec here")

    monkeypatch.setattr("tinyworlds.media.video.write_encoded", no_codec)
    world = fake_world()
    write_report(tmp_path, evaluate_world(world, fake_clips(4)), world)
    assert (tmp_path / "open_loop.png").exists()
    assert not (tmp_path / "open_loop.mp4").exists()
    assert "open_loop.mp4" not in (tmp_path / "report.md").read_text()
    assert "No video encoder" in caplog.text


def test_pictures_show_clips_that_move_but_not_the_wildest():
    frames = torch.zeros(20, 3, 3, 4, 4)
    for clip in range(20):
        frames[clip, 1] = clip / 20
    assert typical(frames, 4) == [11, 13, 15, 17]
    assert typical(frames[:2], 6) == [1]


def test_a_bar_may_ask_for_the_interval():
    assert Bar(1.0).met_by(Estimate(1.2, -0.1, 2.5, 9))
    assert not Bar(1.0, interval_above=0.0).met_by(Estimate(1.2, -0.1, 2.5, 9))


def test_a_bar_may_ask_for_little():
    """Life above the game's is no better than life below it."""
    bar = Bar(at_most=1.5)
    assert [bar.met_by(Estimate.exact(value)) for value in (0.0, 1.5, 1.6)] == [True, True, False]
    assert str(bar) == "1.5 or less"


def test_held_out_clips_come_from_the_test_split(tiny_h5):
    from tinyworlds.data import H5DataModule

    module = H5DataModule(str(tiny_h5), split="episode", cache=False)
    clips = held_out_clips(module, num_frames=6, num_clips=4)
    assert clips.frames.shape == (4, 6, 16, 16, 3)
    assert clips.actions.shape == (4, 6)
    assert "test split (whole episodes)" in clips.source
    assert clips.episodes.shape == (4,)
    frames, actions = clips.batch(2, 8)
    assert frames.shape == (2, 6, 3, 16, 16)
    assert frames.min() >= -1
    assert actions.dtype == torch.int64


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["w.world", "--horizn", "3"], "Did you mean '--horizon'"),
        (["w.world", "--horizon", "0"], "not above 0"),
    ],
)
def test_wrong_options_are_one_line(argv, message):
    with pytest.raises(ConfigError, match=message):
        main(argv)


@pytest.mark.parametrize("as_list", [False, True])
def test_keys_of_a_run_are_found_in_the_data_that_are_named(as_list, tmp_path, monkeypatch):
    """A run whose recording has moved had no keys: whatever was pressed, it idled."""
    shutil.copytree(FIXTURES / "old_run" / "run", tmp_path / "run")
    data = str(FIXTURES / "old_run" / "sprite_frames.h5")
    measured = []
    monkeypatch.setattr(
        "tinyworlds.evaluation.evaluate.evaluate_world",
        lambda world, *args, **settings: measured.append(world) or evaluate_world(world, *args, **settings),
    )
    monkeypatch.chdir(tmp_path)  # the run names its data relative to another folder
    evaluate("run", [data] if as_list else data, num_clips=2, horizon=4)
    assert len(measured[0].start_clips)
    assert list(measured[0].info.true_actions) == ["noop", "left", "right", "up"]


def test_what_a_notebook_prints_of_an_evaluation_is_short():
    found = evaluate_world(fake_world(), fake_clips())
    count = len(found.report.figures)
    assert repr(found.report) == f"Report on walk: {count} figures of 12 clips of 6 episodes"
    assert repr(found) == f"Evaluation(report={found.report!r})"
    assert repr(found.clips) == "12 Clips of 11 frames, with their actions, walks"
    assert repr(found.rollout).startswith("RolloutResult of 12 clips: ")
