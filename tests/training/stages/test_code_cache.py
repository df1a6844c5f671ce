"""Codes computed once: equal to those on the fly, resumable, renewed by themselves, or done without."""

import errno
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from code_caches import cached, damage, partners_of
from paths import SUPPORT
from tiny_runs import curve, train, words

from tinyworlds import H5DataModule
from tinyworlds.data import FrameFile, cache, codes_part, frames_to_input
from tinyworlds.system.locks import locked
from tinyworlds.training.stages.codes import (
    cache as code_cache,
)
from tinyworlds.training.stages.codes import (
    encoders as code_encoders,
)
from tinyworlds.training.stages.codes import (
    files as code_files,
)

STRIDE_2 = {"fps": 7.5}


def codes_files(folder: Path, ending: str = "h5") -> list[Path]:
    return sorted(folder.glob(f".cache/*.codes-*.{ending}"))


def stored(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


@pytest.fixture
def small_batches(monkeypatch):
    """Some ten batches for a tiny file."""
    monkeypatch.setattr(code_encoders, "_BATCH_PIXELS", 32 * 16 * 16)


@pytest.fixture
def two_files(make_h5):
    return [make_h5("a.h5"), make_h5("b.h5", num_episodes=6, episode_length=23, seed=3)]


# ---- equal to the networks


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("settings", [STRIDE_2, {"split": "episode", "skip_frames": 11, "num_frames": 6}])
def test_every_window_has_the_codes_of_its_frames(two_files, architecture, settings, small_batches):
    tokenizer, action_model = partners_of(architecture)
    data = cached(two_files, (tokenizer, action_model), **settings)
    plain = H5DataModule(data.files, batch_size=8, **settings)
    for coded, live in [
        (data.train_dataloader().dataset, plain.train_dataloader().dataset),
        (data.val_dataloader().dataset, plain.val_dataloader().dataset),
    ]:
        numbers = list(range(len(live)))
        batch, frames = coded.__getitems__(numbers), frames_to_input(live.__getitems__(numbers)["frames"])
        with torch.no_grad():
            assert torch.equal(batch["ids"], tokenizer.network.encode(frames))
            assert torch.equal(batch["action_ids"], action_model.network.encode(frames))
    assert {path.name.split(".codes")[0] for path in codes_files(two_files[0].parent)} == {"a.h5", "b.h5"}


def test_a_file_without_a_window_and_networks_of_both_kinds(make_h5):
    tokenizer, action_model = partners_of("v2")[0], partners_of("v1")[1]
    files = [make_h5("a.h5"), make_h5("b.h5", num_episodes=20, episode_length=3)]
    data = cached(files, (tokenizer, action_model))
    assert len(data.window_starts(1)) == 0
    assert {"ids", "action_ids"} <= set(next(iter(data.train_dataloader())))


def test_without_an_action_model(tiny_h5):
    for architecture in ("v1", "v2"):
        data = cached([tiny_h5], (partners_of(architecture)[0], None))
        assert set(next(iter(data.train_dataloader()))) == {"ids", "actions", "index"}


def test_windows_of_other_lengths_are_read_as_frames(tiny_h5):
    data = cached([tiny_h5], partners_of("v1"), predict_frames=7)
    data.setup("predict")
    for batch in (next(iter(data.predict_dataloader())), next(iter(data.test_dataloader()))):
        assert "ids" not in batch
        assert "frames" in batch


def test_no_frame_between_far_windows_is_read(tiny_h5, monkeypatch):
    starts = np.array([0, 1, 2, 6, 200, 201])
    encoder = code_encoders.WindowEncoder(
        FrameFile(tiny_h5), starts, 4, 1, partners_of("v1")[0].network, None
    )
    read, frames = [], FrameFile.frames
    monkeypatch.setattr(FrameFile, "frames", lambda *args: read.append(args[1:]) or frames(*args))
    assert [len(encoder.encode(first)["ids"]) for first in (0, 4)] == [4, 2]
    assert read == [(0, 10), (200, 5)]


@pytest.mark.parametrize("architecture", [pytest.param("v1", marks=pytest.mark.slow), "v2"])
def test_losses_are_those_on_the_fly(architecture, two_files, tmp_path):
    options = [
        f"--data.files={two_files[1]}", "--data.fps=7.5",  # beside the one that `train` names
        f"--model.architecture={architecture}", "--trainer.max_steps=4", "--trainer.val_check_interval=2",
    ]  # fmt: skip
    for stage in ("video_tokenizer", "latent_actions"):
        train(stage, two_files[0], tmp_path, *options)
    live = train("dynamics", two_files[0], tmp_path, *options, "--model.cache_codes=false")
    assert not codes_files(tmp_path)
    coded = train("dynamics", two_files[0], tmp_path, *options)
    assert len(codes_files(tmp_path)) == 2
    assert not codes_files(tmp_path, "part")
    for column, count in [("train/loss", 4), ("val/loss", 2)]:
        assert len(curve(live, column)) == count
        assert curve(coded, column) == curve(live, column)


# ---- going on after a kill


@contextmanager
def dying_bar(title, total, enabled=True):
    """A progress bar that stops the program after three pieces."""
    calls = []

    def advance(count):
        calls.append(count)
        if len(calls) == 1 + 3:
            raise KeyboardInterrupt

    yield advance


@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_an_interrupted_build_goes_on(tiny_h5, architecture, small_batches, monkeypatch):
    partners = partners_of(architecture)
    with monkeypatch.context() as patch:
        patch.setattr(code_files, "progress_bar", dying_bar)
        with pytest.raises(KeyboardInterrupt):
            cached([tiny_h5], partners)
    assert not codes_files(tiny_h5.parent)
    done = codes_part.rows_done(codes_files(tiny_h5.parent, "part")[0])
    assert done > 0
    firsts, build = [], code_encoders.CodeEncoder._run
    with monkeypatch.context() as patch:
        patch.setattr(code_encoders.CodeEncoder, "_run", lambda *args: firsts.append(args[2]) or build(*args))
        cached([tiny_h5], partners)
    path = codes_files(tiny_h5.parent)[0]
    resumed = stored(path)
    assert sum(len(images) for images in firsts[::2]) == len(resumed["ids"]) - done  # every other: actions
    path.unlink()
    cached([tiny_h5], partners)
    for name, values in stored(path).items():
        np.testing.assert_array_equal(resumed[name], values)


SLOW_BUILD = """
    import sys, time
    sys.path[:0] = sys.argv[2:]
    from code_caches import cached, damage, partners_of
    from tinyworlds.data import codes_part
    from tinyworlds.training.stages.codes import encoders as code_encoders

    codes_part.MARK_SECONDS = 0
    code_encoders._BATCH_PIXELS = 8 * 16 * 16
    run, calls = code_encoders.CodeEncoder._run, []

    def run_and_stall(*args):
        calls.append(args)
        if len(calls) > 12:
            time.sleep(600)  # until it is killed
        return run(*args)

    code_encoders.CodeEncoder._run = run_and_stall
    cached([sys.argv[1]], partners_of("v1"))
"""


@pytest.mark.slow
def test_a_killed_build_goes_on(tiny_h5, tmp_path, monkeypatch):
    folder = SUPPORT
    command = [sys.executable, "-c", textwrap.dedent(SLOW_BUILD), tiny_h5, folder, folder.parent]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        give_up = time.monotonic() + 60
        while not any(codes_part.rows_done(path) for path in codes_files(tmp_path, "part")):
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.02)
        process.kill()
    assert not codes_files(tmp_path)
    done = codes_part.rows_done(codes_files(tmp_path, "part")[0])
    begun, encode = [], code_encoders.WindowEncoder.encode
    monkeypatch.setattr(
        code_encoders.WindowEncoder, "encode", lambda self, first: begun.append(first) or encode(self, first)
    )
    cached([tiny_h5], partners_of("v1"))
    path = codes_files(tmp_path)[0]
    resumed = stored(path)
    assert 0 < done == begun[0]
    path.unlink()
    cached([tiny_h5], partners_of("v1"))
    for name, values in stored(path).items():
        np.testing.assert_array_equal(resumed[name], values)


# ---- renewed by itself


def test_the_same_again_is_not_built_again(tiny_h5, monkeypatch):
    cached([tiny_h5], partners_of("v1"))
    monkeypatch.setattr(code_files, "_build", None)
    cached([tiny_h5], partners_of("v1"))
    assert len(codes_files(tiny_h5.parent)) == 1


@pytest.mark.parametrize(
    ("architecture", "window"),
    [("v1", {"num_frames": 3}), ("v1", STRIDE_2), ("v1", {"skip_frames": 20}), ("v2", STRIDE_2)],
)
def test_other_weights_and_windows_have_their_own_codes(tiny_h5, architecture, window):
    cached([tiny_h5], partners_of(architecture))
    cached([tiny_h5], partners_of(architecture), **window)
    assert len(codes_files(tiny_h5.parent)) == 2
    tokenizer, action_model = partners_of(architecture, seed=1)
    cached([tiny_h5], (tokenizer, partners_of(architecture)[1]))
    cached([tiny_h5], (partners_of(architecture)[0], action_model))
    assert len(codes_files(tiny_h5.parent)) == 4


def test_other_content_takes_the_place_of_the_old(make_h5):
    path = make_h5()
    other = make_h5("tiny_frames2.h5")
    cached([path], partners_of("v2"))
    cached([path], partners_of("v2", seed=1))
    cached([other], partners_of("v2"))
    old = codes_files(path.parent)
    make_h5(seed=5)
    partners = partners_of("v2")
    data = cached([path], partners)
    new = codes_files(path.parent)
    assert len(new) == 2
    assert set(new) & set(old) == {file for file in old if file.name.startswith("tiny_frames2")}
    window = data.val_dataloader().dataset[0]
    assert torch.equal(window["ids"], partners[0].network.encode(frames_to_input(window["frames"])[None])[0])


def test_the_four_last_used_are_kept(tiny_h5, monkeypatch):
    clock = iter(range(1_000_000, 2_000_000))
    monkeypatch.setattr(code_files.os, "utime", lambda path, utime=os.utime: utime(path, (next(clock),) * 2))
    for seed in (0, 1, 2, 3, 0):  # 0 is used again
        cached([tiny_h5], partners_of("v2", seed))
    before = {path: path.stat().st_mtime for path in codes_files(tiny_h5.parent)}
    cached([tiny_h5], partners_of("v2", 4))
    after = set(codes_files(tiny_h5.parent))
    assert len(before) == len(after) == code_files.KEPT
    assert before.keys() - after == {min(before, key=before.get)}


@pytest.mark.parametrize("how", ["cut", "halved", "emptied", "zeros", "changed"])
@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_damaged_codes_are_made_again(tiny_h5, architecture, how):
    cached([tiny_h5], partners_of(architecture))
    path = codes_files(tiny_h5.parent)[0]
    whole = stored(path)
    damage(path, how)
    data = cached([tiny_h5], partners_of(architecture))
    assert codes_files(tiny_h5.parent) == [path]
    for name, values in stored(path).items():
        np.testing.assert_array_equal(whole[name], values)
    assert {"ids", "action_ids"} <= set(next(iter(data.train_dataloader())))


@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_a_file_replaced_with_the_same_size_and_time_gets_new_codes(tmp_path, architecture):
    """A change in the middle of a large file, between what samples of it would see."""
    path, partners = tmp_path / "a.h5", partners_of(architecture)
    frames = np.random.default_rng(0).integers(0, 256, (9000, 16, 16, 3), np.uint8)  # 7 MB
    with h5py.File(path, "w") as file:
        file["frames"] = frames
        place = file["frames"].id.get_offset() + 4321 * 768
    cached([path], partners, val_fraction=0, test_fraction=0, skip_frames=8900)
    before, old = path.stat(), codes_files(tmp_path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes(768))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    cached([path], partners, val_fraction=0, test_fraction=0, skip_frames=8900)
    assert len(codes_files(tmp_path)) == 1
    assert codes_files(tmp_path) != old


# ---- doing without


def test_no_room_is_one_warning(tiny_h5, partners, monkeypatch):
    monkeypatch.setattr(cache, "SPARE_BYTES", 2**60)
    with pytest.warns(UserWarning, match="codes are computed on the fly, which is slower: no room for codes"):
        version = train("dynamics", tiny_h5, partners, "--trainer.max_steps=2")
    assert len(curve(version)) == 2
    assert not codes_files(tiny_h5.parent)
    assert not codes_files(tiny_h5.parent, "part")


def test_a_disk_that_fills_up_is_given_back(tiny_h5, small_batches, monkeypatch):
    def fill_up(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(codes_part.CodesPart, "append", fill_up)
    with pytest.warns(UserWarning, match="on the fly, which is slower: .*No space left"):
        data = cached([tiny_h5], partners_of("v1"))
    assert not codes_files(tiny_h5.parent, "*")
    assert "frames" in next(iter(data.train_dataloader()))


# ---- several processes


def test_a_second_build_waits_for_the_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tinyworlds.system.locks._POLL_SECONDS", 0.01)
    order, waited = [], threading.Event()

    def second():
        with locked(tmp_path / "new" / "lock", "encoding", waited.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "new" / "lock", "encoding"):
        thread.start()
        assert waited.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    said = capsys.readouterr().out
    assert re.fullmatch(
        rf"waiting for another process that is encoding \(process {os.getpid()} on .*\)\n", said
    )


def test_processes_meet_until_all_have_finished(monkeypatch):
    monkeypatch.setattr(code_cache, "_MEET_SECONDS", 0)
    gate, votes, rounds = threading.Barrier(2, timeout=10), [], []

    class Strategy:
        def reduce_boolean_decision(self, decision):
            votes.append(decision)
            gate.wait()
            result = all(votes[-2:])
            if gate.wait() == 0:
                rounds.append(result)
            return result

    def quick():
        code_cache.Meeting(Strategy()).finish()

    thread = threading.Thread(target=quick)
    thread.start()
    meeting = code_cache.Meeting(Strategy())
    for _ in range(3):
        meeting.still_busy()
    meeting.finish()
    thread.join(10)
    assert rounds == [False, False, False, True]


@pytest.mark.slow
def test_two_processes_train_on_one_codes_file(tiny_h5, tmp_path):
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=1", "--model.architecture=v1")
    options = ["--trainer.devices=2", "--trainer.max_steps=2", "--trainer.limit_val_batches=0"]
    options += ["--model.architecture=v1", "--model.actions=labels"]
    command = [sys.executable, "-m", "tinyworlds", "fit", *words("dynamics", tiny_h5, tmp_path, *options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("encoding") == 1
    assert len(codes_files(tmp_path)) == 1
