"""``tinyworlds bench hours``: three small stages, through the shipped Zelda configs."""

import itertools
import json
import math

import pytest
import torch

from tinyworlds.bench import config_updates, hours
from tinyworlds.bench.pairing import Pairing
from tinyworlds.commands.bench import PARTS
from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit import updates
from tinyworlds.fit.config_reading import read_settings
from tinyworlds.models import VideoTokenizer

CPU = torch.device("cpu")
WORDS = ["--data.frame_size=16", "--data.batch_size=2", "--model.embed_dim=16", "--model.num_heads=2"]
WORDS += ["--model.hidden_dim=16", "--model.num_blocks=1"]
PEAKS = {"float32": 1e10, "bf16": 2e10}


@pytest.mark.slow
def test_hours_follow_from_the_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "affordable", lambda stage, plan, seconds: (plan.batch, plan.accumulate))
    figures = hours.measure(CPU, rounds=2, seconds=0, peaks=PEAKS, words=WORDS)
    found = json.loads(json.dumps(figures.to_dict()))
    plans = [(each["stage"], each["updates"], each["clips_an_update"]) for each in found["stages"]]
    # updates and accumulation of the shipped configs, batches of 2 from the words
    assert plans == [("video_tokenizer", 40_000, 4), ("latent_actions", 10_000, 2), ("dynamics", 300_000, 4)]
    for each in found["stages"]:
        assert each["clips_timed"] == each["clips_an_update"]
        assert each["hours"] == pytest.approx(each["updates"] * each["seconds_an_update"] / 3600)
        assert each["utilisation"] * PEAKS["float32"] == pytest.approx(
            each["flops_a_clip"] * each["clips_per_second"]
        )
    total = sum(each["hours"] for each in found["stages"])
    assert found["hours"] == {"float32": pytest.approx(total)}
    (table,) = figures.tables()
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[-1][0] == "all three, float32"
    assert "43 h on an RTX 4090 for these batches at 128 px" in str(table)
    assert "fewer clips was timed" not in str(table)


@pytest.mark.slow
def test_a_long_update_is_timed_in_part() -> None:
    figures = hours.measure(CPU, rounds=1, seconds=0, peaks=PEAKS, words=WORDS)
    assert {each.clips for each in figures.projections} == {1}
    assert "fewer clips was timed" in str(figures.tables()[0])


def test_operations_inside_kernels_are_counted() -> None:
    words = ["--config", "zelda_tokenizer.yaml", *WORDS, "--data.frame_size=64"]
    plan, stage = updates.planned(words)
    attention = 2 * 4 * plan.num_frames * 256**2 * 16  # both products, in encoder and decoder, forwards
    assert config_updates.flops_of(stage, plan) > 3 * attention


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, (1, 1)), (3, (3, 1)), (8, (8, 1)), (17, (8, 2)), (90, (8, 2))]
)
def test_what_is_affordable(
    seconds: float, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()  # a clip takes a second
    monkeypatch.setattr(updates.time, "perf_counter", lambda: float(next(clock)))
    plan, stage = updates.planned(["--config", "zelda_tokenizer.yaml", *WORDS, "--data.batch_size=8"])
    assert updates.affordable(stage, plan, seconds) == expected


def test_hours_are_scaled_by_clips() -> None:
    plan = updates.Work(updates=3600, batch=8, accumulate=2, num_frames=4, frame_size=16)
    one = hours.Projection("dynamics", plan, "x", 4, Pairing({"x": (1.0,)}), flops=50, peak=1000.0)
    assert one.figures["hours"] == pytest.approx(4)
    assert one.figures["clips_per_second"] == pytest.approx(4)
    assert one.figures["utilisation"] == pytest.approx(0.2)
    more = hours.Projection("dynamics", plan, "x", 32, Pairing({"x": (1.0,)}), flops=50, peak=1000.0)
    assert hours.HoursFigures([one, more]).totals() == {"x": pytest.approx(4.5)}
    assert "same clips in fewer updates" in str(hours.HoursFigures([one, more]).tables()[0])


def test_what_a_gpu_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 on this CPU, with a compiler and a full memory that are pretended."""
    ways = hours.ways_on(torch.device("cuda"))
    assert [way.name for way in ways] == ["float32", "bf16, compiled", "bf16, compiled, largest batch"]
    loss, compiled = VideoTokenizer.loss, []

    def limited(self: VideoTokenizer, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        if len(frames) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(self, frames)

    monkeypatch.setattr(VideoTokenizer, "loss", limited)
    monkeypatch.setattr(hours, "compile_network", compiled.append)
    plan, stage = updates.planned(["--config", "zelda_tokenizer.yaml", *WORDS])
    found = hours._project(stage, plan, ways[2], rounds=1, seconds=0, peaks=PEAKS)
    assert found.clips == 5
    assert found.peak == PEAKS["bf16"]
    assert compiled == [stage.network]
    monkeypatch.setattr(VideoTokenizer, "loss", lambda *_: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        config_updates.largest_batch(stage, plan, bf16=False)


@pytest.mark.slow
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    planned = updates.planned
    monkeypatch.setattr(hours, "planned", lambda words: planned([*words, *WORDS]))
    assert main(["bench", "hours", "--rounds", "1", "--seconds", "0", "--device", "cpu", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert math.isfinite(report["hours"][0]["hours"]["float32"])


def test_only_when_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran = []
    for name in list(PARTS):
        monkeypatch.setitem(PARTS, name, lambda effort, name=name: ran.append(name) or ())
    assert main(["bench", "--quick"]) == 0
    assert ran == ["play", "train", "data", "startup"]
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    assert "hours" in capsys.readouterr().out


def test_settings_are_read_as_fit_reads_them() -> None:
    settings = read_settings(["--config", "zelda_dynamics.yaml", "--data.num_frames=6"])
    assert (settings.data.num_frames, settings.trainer.gradient_clip_val) == (6, 1.0)
    assert settings.model.class_path.endswith("DynamicsStage")
    with pytest.raises(ConfigError, match="batch_siz"):
        read_settings(["--config", "zelda_dynamics.yaml", "--data.batch_siz=6"])
