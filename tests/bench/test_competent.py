"""The competent baseline computes what the reference computes, and has the settings that it is named for."""

import copy
import os
import platform
from pathlib import Path

import pytest
import torch

from tinyworlds.bench import reference
from tinyworlds.bench.competent import competent
from tinyworlds.bench.play import plain_play
from tinyworlds.bench.sizes import clips, find_size, references
from tinyworlds.bench.training import REUSE, plain_update, reference_step
from tinyworlds.bench.worlds import actions_of, reference_world, start
from tinyworlds.commands.quickstart import PRESETS
from tinyworlds.errors import StorageError
from tinyworlds.fit.config_reading import read_settings
from tinyworlds.models.registry import STAGES

TINY = find_size("tiny")


@pytest.mark.parametrize("stage", STAGES)
def test_sdpa_trains_as_the_reference_does(stage):
    networks, frames = references(TINY), clips(TINY, batch=2)
    written_out = reference_step(stage, copy.deepcopy(networks), frames)
    in_one_call = plain_update(stage, TINY, 2, "cpu")
    for _ in range(3):
        torch.manual_seed(0)  # dynamics hide tokens at random
        expected = written_out()
        torch.manual_seed(0)
        torch.testing.assert_close(in_one_call(), expected, rtol=1e-4, atol=1e-5)


def test_sdpa_plays_as_the_reference_does():
    networks = references(TINY, lively=True)
    world = reference_world(networks, TINY)
    world.reset(*start(TINY))
    expected = [world.step(action) for action in actions_of(TINY, 3)]
    step = plain_play(TINY, "cpu")
    for frame in expected:
        assert abs(step().astype(int) - frame.astype(int)).max() <= 1


def test_codes_are_made_as_often_as_in_the_quickstart():
    settings = read_settings(["--config", "configs/doom_dynamics.yaml"])
    clips_seen = settings.trainer.max_steps * settings.data.batch_size
    assert clips_seen * settings.data.num_frames / PRESETS["doom"].num_frames == REUSE


def test_only_attention_changes():
    network = references(TINY)["dynamics"]
    reference.use_sdpa(network)
    assert sum(getattr(module, "fused", False) for module in network.modules()) == 2 * 2  # blocks, ways


def held_after_freeing():
    """Returns what fails where freed memory goes back to the system."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def run():
        room = torch.ones(16_000_000)  # 64 MB
        used = resident()
        del room
        assert used - resident() < 32e6

    return run


def ends_by_itself():
    return lambda: os._exit(1)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are the GNU C library's")
@pytest.mark.slow
def test_memory_is_kept(monkeypatch):
    with competent(held_after_freeing) as kept:
        [kept() for _ in range(3)]
    assert "MALLOC_MMAP_MAX_" not in os.environ
    monkeypatch.setattr("tinyworlds.bench.competent.KEPT_MEMORY", {})
    with competent(held_after_freeing) as given_back, pytest.raises(StorageError, match="ended by itself"):
        given_back()


@pytest.mark.slow
def test_a_baseline_that_dies_is_one_line():
    with competent(ends_by_itself) as run, pytest.raises(StorageError, match="ended by itself"):
        run()
