import json
import math

import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk

from tinyworlds.api import World
from tinyworlds.commands.evaluate import main
from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import ConfigError, DataError, VideoError
from tinyworlds.evaluation.evaluate import evaluate_world
from tinyworlds.evaluation.pictures import typical
from tinyworlds.evaluation.report import Bar
from tinyworlds.evaluation.run import write_report
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


def fake_world(dynamics=FakeDynamics, actions=FakeActions, source="latent"):
    info = WorldInfo(game="walk", fps=10.0, actions=source, action_names=NAMES)
    return World(FakeTokenizer(), dynamics(), actions(), info=info)


def fake_clips(batch=24, length=11, with_actions=True):
    frames, actions = walk(batch, length, seed=3)
    return Clips(input_to_frames(frames), actions if with_actions else None, 10.0, "walks", NAMES)


def test_a_perfect_world_gets_perfect_figures():
    report = evaluate_world(fake_world(), fake_clips(), batch_size=10).report
    assert report.value("tokenizer_psnr") > 58
    assert report.value("actions_used") == 4
    assert report.value("action_nmi") == pytest.approx(1.0)
    assert report.value("one_step_psnr") > 58
    assert report.value("one_step_gain") == pytest.approx(
        report.value("one_step_psnr") - report.value("one_step_repeat")
    )
    assert report.figures["delta_t_psnr"].low > 5
    assert len(report.horizon_psnr) == 8
    assert report.horizon_psnr[7] > 58 > 30 > report.repeat_psnr[7]
    assert report.value("last_step_gain") == pytest.approx(report.horizon_gain[7].mean)
    assert report.value("rollout_motion_gain") > 20
    assert report.value("one_step_gain_pooled") > 20
    assert report.settings["num_clips"] == 24


def test_nmi_counts_only_the_clips_given():
    found = evaluate_world(fake_world(), fake_clips())
    table = torch.tensor(found.report.confusion)
    assert table.sum().item() == 24 * 10
    assert table.trace().item() == 24 * 10  # the fake action model finds the true ids
    assert found.report.latent_names() == [f"{name} 100 %" for name in NAMES]


def test_a_deaf_world_has_no_delta_t():
    report = evaluate_world(fake_world(Deaf), fake_clips()).report
    assert report.value("delta_t_psnr") == 0
    assert report.value("one_step_gain") < 1


def test_collapsed_actions_are_seen():
    report = evaluate_world(fake_world(actions=Collapsed), fake_clips()).report
    assert report.value("actions_used") == 1
    assert report.value("action_nmi") == 0


def test_a_world_on_labels_and_one_without_actions():
    labels = evaluate_world(fake_world(source="labels"), fake_clips()).report
    assert labels.figures["delta_t_psnr"].low > 5
    assert "actions_used" not in labels.figures
    none = evaluate_world(fake_world(source="none"), fake_clips()).report
    assert "delta_t_psnr" not in none.figures


def test_frames_without_labels_are_enough():
    report = evaluate_world(fake_world(), fake_clips(with_actions=False)).report
    assert "action_nmi" not in report.figures
    assert report.confusion == []
    assert report.value("actions_used") == 4
    assert math.isnan(report.value("action_nmi"))


def test_batches_do_not_matter():
    whole = evaluate_world(fake_world(), fake_clips(), batch_size=64).report
    parts = evaluate_world(fake_world(), fake_clips(), batch_size=5).report
    for key in ("tokenizer_psnr", "one_step_gain", "rollout_psnr", "action_nmi"):
        assert whole.value(key) == pytest.approx(parts.value(key))


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
    found = evaluate_world(world, fake_clips(8))
    bars = {"tokenizer_psnr": Bar(28.0), "action_nmi": Bar(2.0), "delta_t_psnr": Bar(1.0, interval_above=0.0)}
    write_report(tmp_path / "out", found, world, bars)
    assert found.report.missed(bars) == ["action_nmi"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "metrics.json", "report.md", "tokenizer.png", "open_loop.png", "open_loop.mp4", "action_sheet.png",
        "actions.png", "horizon.png",
    }  # fmt: skip
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["figures"]["action_nmi"]["mean"] == pytest.approx(1.0)
    assert content["bars"]["delta_t_psnr"]["met"] is True
    text = (tmp_path / "out" / "report.md").read_text()
    assert "![What each action does](action_sheet.png)" in text
    assert "| latent with true actions: normalised mutual information |" in text
    assert "**no**" in text


def test_a_failing_codec_costs_only_the_clip(tmp_path, monkeypatch, caplog):
    def no_codec(*_):
        raise VideoError("no codec here")

    monkeypatch.setattr("tinyworlds.media.video.write_h264", no_codec)
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


def test_held_out_clips_come_from_the_test_split(tiny_h5):
    from tinyworlds.data import H5DataModule

    module = H5DataModule(str(tiny_h5), split="episode", cache=False)
    clips = held_out_clips(module, num_frames=6, num_clips=4)
    assert clips.frames.shape == (4, 6, 16, 16, 3)
    assert clips.actions.shape == (4, 6)
    assert "test split (episode)" in clips.source
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
