"""``tinyworlds bench``: every part measures something at a tiny size; comparing codes can fail."""

import json
import math
import sys
from contextlib import nullcontext

import cv2
import numpy as np
import pytest
import torch
from small_worlds import random_world

from benchmarks import held_keys, plots
from tinyworlds.bench import data, dreamer, growth, layouts, memory, play, report, startup, training, worlds
from tinyworlds.bench.competent import COMPETENT
from tinyworlds.bench.pairing import Pairing
from tinyworlds.bench.pattern import moving_frames
from tinyworlds.bench.reference_dreamer import PlainLaProp, plain_agent, plain_loss
from tinyworlds.bench.sizes import clips, find_size, references, same_weights
from tinyworlds.commands import bench
from tinyworlds.commands.cli import main
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.losses import LossSettings, agent_loss
from tinyworlds.dreamer.optimizer import LaProp
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models.registry import STAGES
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import save_world

CPU = torch.device("cpu")
TINY = find_size("tiny")


def numbers(found):
    """All numbers in nested JSON."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list):
        return [number for part in found for number in numbers(part)]
    return [found] if isinstance(found, int | float) else []


def check(figures):
    """What holds for the figures of every part."""
    found = numbers(json.loads(json.dumps(figures.to_dict())))
    assert found
    assert all(math.isfinite(number) and number >= 0 for number in found)
    for table in figures.tables():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.title in str(table)
        assert len(str(table).splitlines()) == 2 + len(table.rows) + len(table.notes)


@pytest.fixture
def baseline_here(monkeypatch):
    """The competent baseline in this process, where it is not what a test looks at: starting one is slow."""
    for module in (growth, play, training):
        monkeypatch.setattr(module, "competent", lambda make, *given: nullcontext(make(*given)))


@pytest.fixture(scope="module")
def truth():
    return worlds.reference_codes(references(TINY, lively=True), TINY, num_frames=3)


def test_codes_are_equal_and_lively(truth):
    ours = worlds.our_world(same_weights(TINY, references(TINY, lively=True)), TINY, CPU)
    match = worlds.compare_codes(ours, truth, TINY)
    assert match.equal
    assert str(match) == "equal, 3 of 3 frames"
    assert match.num_codes >= 5  # agreeing on one code would say little


def test_comparison_of_codes_fails_for_other_weights(truth):
    others = worlds.our_world(same_weights(TINY, references(TINY, seed=1, lively=True)), TINY, CPU)
    match = worlds.compare_codes(others, truth, TINY)
    assert not match.equal
    assert str(match).startswith("DIFFERENT from frame 1 on")


def test_comparison_of_codes_notices_a_small_difference(truth):
    networks = same_weights(TINY, references(TINY, lively=True))
    with torch.no_grad():
        networks["dynamics"].output.bias[truth[0][0]] -= 100  # a code that was decoded becomes impossible
    match = worlds.compare_codes(worlds.our_world(networks, TINY, CPU), truth, TINY)
    assert not match.equal
    assert 0 <= min(match.shares) < 1


@pytest.mark.slow
def test_steps():
    figures = play.measure_step(TINY, CPU, rounds=2, seconds=0, num_compared=2, compiled=False)
    check(figures)
    assert list(figures.times.seconds) == ["reference", COMPETENT, "ours", "v2", *play.BY_DEFAULT]
    assert set(figures.to_dict()["speedup"]) == {"reference", COMPETENT}
    assert figures.matches["ours"].equal
    assert figures.to_dict()["codes"]["ours"]["equal"]


@pytest.mark.usefixtures("baseline_here")
def test_a_compiler_that_fails_is_noted(monkeypatch):
    class Uncompilable(WorldCore):
        def __init__(self, *args, compile=False, **settings):
            if compile:
                raise RuntimeError("no compiler\nhere")
            super().__init__(*args, **settings)

    monkeypatch.setattr(play, "runs_natively", lambda network: False)
    monkeypatch.setattr(play, "WorldCore", Uncompilable)
    monkeypatch.setattr(worlds, "WorldCore", Uncompilable)
    figures = play.measure_step(TINY, CPU, rounds=1, seconds=0, num_compared=1)
    assert "ours, compiled" not in figures.times.seconds
    assert "ours, compiled failed: RuntimeError: no compiler here" in figures.notes


@pytest.mark.usefixtures("baseline_here")
def test_contexts_and_sessions(monkeypatch):
    contexts = growth.measure_contexts(TINY, CPU, (1, 3), rounds=1, seconds=0)
    check(contexts)
    assert list(contexts.by_value) == [1, 3]
    monkeypatch.setattr(growth, "_PATIENCE_S", 0)
    contexts = growth.measure_contexts(TINY, CPU, (1, 3), rounds=1, seconds=0)
    check(contexts)
    assert list(contexts.by_value[3].seconds) == ["ours"]
    sessions = play.measure_sessions(TINY, CPU, (1, 2), rounds=1, seconds=0)
    check(sessions)
    assert list(sessions.times.seconds) == ["1", "2"]


@pytest.mark.usefixtures("baseline_here")
def test_growth_is_drawn(tmp_path):
    figures, picture = tmp_path / "play.json", tmp_path / "growth.png"
    sizes = growth.measure_frame_sizes(TINY, CPU, (TINY.frame_size, 2 * TINY.frame_size), rounds=1, seconds=0)
    sessions = play.measure_sessions(TINY, CPU, (1, 2), rounds=1, seconds=0)
    figures.write_text(json.dumps({"play": [sizes.to_dict(), sessions.to_dict()]}))
    plots.plot(str(figures), str(picture))
    height, width, _ = cv2.imread(str(picture)).shape
    assert width > 1.9 * height  # a panel each
    figures.write_text("{}")
    with pytest.raises(DataError, match="holds no figures of play"):
        plots.plot(str(figures), str(picture))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.usefixtures("baseline_here")
def test_updates(stage):
    peaks = training.peak_flops(CPU, side=128)
    figures = training.measure_stage(stage, TINY, CPU, batch=2, rounds=1, seconds=0, peaks=peaks)
    check(figures)
    encoding = ["ours, encoding in every update"] * (stage == "dynamics")
    assert list(figures.times.seconds) == ["reference", COMPETENT, "ours", *encoding]
    taken = figures.times.timing("ours").median
    assert figures.clips_per_second("ours") == pytest.approx(2 / taken)
    assert figures.utilisation("ours") * peaks["float32"] * taken == pytest.approx(figures.flops)


@pytest.mark.parametrize("stage", ["video_tokenizer", "latent_actions"])
def test_both_make_the_same_updates(stage):
    theirs, frames = references(TINY), clips(TINY, batch=2)
    mine = our_updates(stage, same_weights(TINY, theirs)[stage].train(), frames)
    plain = training.reference_step(stage, theirs, frames)
    torch.testing.assert_close(mine, [plain(), plain()], rtol=1e-4, atol=1e-5)


def our_updates(stage, network, frames):
    step = training.our_step(stage, network, frames, training.Codes(torch.empty(0), torch.empty(0)))
    return [step(), step()]


@pytest.mark.slow
def test_both_agents_have_the_same_loss():
    """But for what is drawn: so the mean of many is compared."""
    torch.manual_seed(0)
    agent = Agent(frame_size=16, channels=1, num_actions=3, preset="cpu-tiny")
    steps = dreamer.made_up_steps(agent, 2, 10, torch.device("cpu"))
    settings = LossSettings()
    plain = plain_agent(agent)
    with torch.no_grad():
        ours = [agent_loss(agent, steps, settings).loss.item() for _ in range(40)]
        theirs = [plain_loss(plain, steps, settings).item() for _ in range(40)]
    spread = (np.std(ours) + np.std(theirs)) / 40**0.5
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * spread + 1e-3


def test_both_optimizers_make_the_same_update():
    params = [torch.nn.Parameter(torch.randn(5, 3)) for _ in range(2)]
    params[1].data.copy_(params[0].data)
    optimizers = [LaProp([params[0]], 1e-2), PlainLaProp([params[1]], 1e-2)]
    for _ in range(4):
        gradient = 10 * torch.randn(5, 3)
        for param, optimizer in zip(params, optimizers, strict=True):
            param.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(params[0], params[1])


@pytest.mark.slow
def test_updates_of_the_agent():
    figures = dreamer.measure(16, torch.device("cpu"), 1, 0.0)
    [table] = figures.tables()
    assert [row[0] for row in table.rows] == ["reference", "ours"]
    assert 0 < figures.products < 1
    assert figures.env_steps > 0
    assert json.dumps(figures.to_dict())


def test_frames_move_and_repeat_themselves():
    frames = moving_frames(0, 4, 16)
    assert frames.shape == (4, 16, 16, 3)
    assert np.array_equal(moving_frames(2, 2, 16), frames[2:])
    assert not np.array_equal(frames[0], frames[1])


def test_data(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_peak", lambda path, what, count: {"peak": 1000, "anonymous": 10})
    reading, used = data.measure(
        num_bytes=16 * 16 * 3 * 300, frame_size=16, rounds=1, seconds=0, num_workers=(0,), folder=tmp_path
    )
    for figures in (reading, used):
        check(figures)
    assert reading.shape == (300, 16, 16, 3)
    assert set(reading.sources) == {"as published", "our own", "our cache"}
    assert reading.sources["our cache"].stored_bytes > 300 * 16 * 16 * 3
    assert used.data_bytes["our data module"] == 300 * 16 * 16 * 3
    assert not list(tmp_path.iterdir())


def test_layouts_hold_the_same_windows(tmp_path):
    published = layouts.write_published(tmp_path / "published_frames.h5", 200, 16)
    own = layouts.write_ours(tmp_path / "ours_frames.h5", 200, 16)
    sources = {"published": published, "own": own, "cache": layouts.unpack(published)}
    first = [next(iter(data.loader_of(source, 0)))["frames"] for source in sources.values()]
    assert all(torch.equal(first[0], frames) for frames in first[1:])
    times = data.read_in_turn(sources, (0, 1), rounds=2, seconds=0)
    assert {len(taken) for taken in times.seconds.values()} == {2}
    assert len(times.seconds) == 6


@pytest.mark.slow
def test_memory(tmp_path):
    path = layouts.write_ours(tmp_path / "ours_frames.h5", 2000, 32).path
    found = data._peak(path, "everything", 2000)  # in a process of its own
    if "peak" in found:
        assert found["peak"] > 2000 * 32 * 32 * 3 * 4  # floats take four times the bytes
    most = memory.read_windows(str(path), 40)
    assert most > 1_000_000 or "anonymous" not in memory.memory()


def test_startup():
    figures = startup.measure(1, {"nothing": ("-c", "pass")})
    check(figures)
    assert list(figures.times.seconds) == ["nothing"]


def test_machine_is_named_without_its_name():
    text = str(report.this_machine())
    assert torch.__version__ in text
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in text


def test_tables_are_aligned():
    text = str(report.Table("T", ("", "figure"), (("a", "1"), ("long", "23.4")), ("told",)))
    assert text == "T\n        figure\n  a          1\n  long    23.4\n  - told"
    times = Pairing({"slow": (4.0, 4.0), "fast": (2.0, 1.0)})
    assert report.ratio_cell(times, "slow", "fast") == "3.00 (2.20 - 3.80)"
    assert [report.in_digits(value) for value in (0.01234, 1, 45.67, 1234)] == [
        "0.0123",
        "1.00",
        "45.7",
        "1,234",
    ]


FEW = ["--sizes", "tiny", "--batch-size", "2", "--rounds", "1", "--seconds", "0"]


@pytest.mark.usefixtures("baseline_here")
def test_json_and_nothing_else_on_the_standard_output(capsys):
    assert main(["bench", "train", *FEW, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [stage["stage"] for stage in found["train"]] == ["video_tokenizer", "latent_actions", "dynamics"]
    assert found["machine"]["torch"] == torch.__version__
    assert "train: dynamics, tiny" in err


def test_tables_and_a_json_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(startup, "COMMANDS", {"nothing": ("-c", "pass")})
    path = tmp_path / "figures.json"
    assert main(["bench", "--quick", "startup", *FEW, "--json", str(path)]) == 0
    assert "nothing" in capsys.readouterr().out
    assert list(json.loads(path.read_text())["startup"][0]["seconds"]) == ["nothing"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plya"], "Did you mean 'play'?"),
        (["--sizes", "sonik"], "Did you mean 'sonic'?"),
        (["--rouns", "3"], "Did you mean '--rounds'?"),
        (["--rounds", "0"], "must be above 0"),
    ],
)
def test_wrong_words(words, told, capsys):
    assert main(["bench", *words]) == ConfigError.exit_code
    out, err = capsys.readouterr()
    assert not out
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("startup --json figures.json data", ["startup", "data"]),
        ("startup --quick true data", ["startup", "data"]),
        ("--quick startup --sizes tiny sonic", ["startup"]),
        ("--parts=[startup]", ["startup"]),
    ],
)
def test_parts_are_words_that_belong_to_no_option(tmp_path, monkeypatch, words, parts):
    measured = []
    for part in bench.PARTS:
        monkeypatch.setitem(bench.PARTS, part, lambda effort, part=part: measured.append(part) or ())
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *words.split()]) == 0
    assert measured == parts


def test_held_keys(tmp_path):
    save_world(tmp_path / "noise.world", random_world())
    table = held_keys.table(str(tmp_path / "noise.world"), num_frames=4)
    assert [row[:2] for row in table.rows[3:5]] == [("codes", "action 3"), ("memory", "action 0")]
    assert len(table.rows) == 3 * 4
    assert all(float(cell) >= 0 for row in table.rows for cell in row[2:])
    assert any(float(cell) > 0 for row in table.rows for cell in row[2:])
