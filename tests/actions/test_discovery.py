"""All findings together: counts in gameplay, what proposals rest on, what is shown."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import scripted_world as script
import torch
from scripted_world import ScriptedWorld

from tinyworlds.actions.discovery import SHOWN_FRAMES, as_json, discover, work
from tinyworlds.actions.occurrence import Occurrence, count_in_gameplay, sample_gameplay
from tinyworlds.actions.text import findings
from tinyworlds.data.gameplay import Gameplay
from tinyworlds.errors import DataError, MissingFileError

TRUE = ("noop", "left", "right", "jump")


class Knowing(torch.nn.Module):
    """Reads latent actions off the corner of each frame."""

    num_actions = 4

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def encode(self, frames):
        return ((frames[:, 1:, 0, 0, 0] + 1) * 127.5).round().long()


def gameplay(latent, true=None, names=TRUE):
    """Clips whose frame t shows the latent action that led to it; `latent` and `true` are [n, T-1]."""
    frames = np.zeros((len(latent), latent.shape[1] + 1, 48, 48, 3), np.uint8)
    frames[:, 1:, 0, 0, 0] = latent
    if true is not None:
        true = np.pad(true, ((0, 0), (0, 1)))  # the last action leads out of the clip
    return Gameplay(frames, true, frames, true, names if true is not None else (), 15.0, ("a.h5",))


def world():
    drawn = ScriptedWorld(script.UP, script.IDLE, script.RIGHT, script.LEFT, num_starts=4)
    drawn.latent_actions = Knowing()
    return drawn


def test_true_actions_name_latent_ones_and_their_keys():
    random = np.random.default_rng(0)
    latent = random.integers(0, 4, (80, 4))
    true = np.array([3, 0, 2, 1])[latent]
    found = discover(world(), gameplay(latent, true))
    assert found.origin == "true actions"
    assert found.proposal.names == ("jump", "noop", "right", "left")
    assert found.proposal.key_map == {"left": 3, "right": 2, "space": 0}
    assert found.proposal.idle == 1
    assert found.told == pytest.approx(1)
    assert "1.00 of it, NMI, 0 to 1, on training data; on held-out ones" in findings(found, world())
    assert as_json(found)["counted_on"] == "training data"
    assert [report.does for report in found.actions] == ["up", "nothing", "right", "left"]
    table = found.occurrence.table
    assert (table > 0).sum() == 4
    assert table[3, 0] == (latent == 0).sum()


def test_a_true_action_that_no_latent_one_carries_gets_no_key():
    random = np.random.default_rng(0)
    true = random.choice(4, (80, 4), p=(0.4, 0.2, 0.2, 0.2))
    latent = np.array([1, 3, 2, 0])[true]
    latent[true == 3] = random.choice([0, 1], (true == 3).sum(), p=(0.2, 0.8))  # a jump is mostly as a noop
    latent[true == 0] = random.choice([0, 1], (true == 0).sum(), p=(0.2, 0.8))
    found = discover(world(), gameplay(latent, true))
    assert found.origin == "true actions"
    assert found.proposal.key_map == {"left": 3, "right": 2}
    assert found.proposal.true_actions == {"noop": 1, "left": 3, "right": 2, "jump": None}
    assert "jump" not in found.proposal.names
    assert findings(found, world()).endswith("no key = 1 noop; nothing found for jump")
    assert as_json(found)["proposed"]["true_actions"]["jump"] is None


def test_where_no_key_is_earned_the_flow_decides_and_space_is_not_the_noop():
    true = np.random.default_rng(0).choice(4, (80, 4), p=(0.7, 0.1, 0.1, 0.1))
    drawn = ScriptedWorld(script.IDLE, script.IDLE, script.RIGHT, script.LEFT, num_starts=4)
    drawn.latent_actions = Knowing()
    latent = np.where(true == 0, 1, np.random.default_rng(1).choice([0, 2, 3], true.shape))
    found = discover(drawn, gameplay(latent, true))
    assert found.origin == "optical flow"
    assert found.proposal.true_actions == {"noop": 1, "left": None, "right": None, "jump": None}
    assert found.proposal.idle == 1
    assert found.proposal.key_map == {"left": 3, "right": 2}
    assert discover(drawn, gameplay(latent, true), "truth").proposal.key_map == {}


def test_the_flow_decides_where_it_is_asked_or_nothing_is_known():
    latent = np.random.default_rng(0).integers(0, 4, (80, 4))
    keys = {"left": 3, "right": 2, "up": 0}
    for known, by in ((gameplay(latent, latent), "flow"), (gameplay(latent), "auto"), (None, "auto")):
        found = discover(world(), known, by)
        assert (found.origin, found.proposal.key_map) == ("optical flow", keys)
    with pytest.raises(DataError, match="no true actions"):
        discover(world(), gameplay(latent), "truth")


def test_an_action_that_hardly_occurs_is_dead():
    latent = np.random.default_rng(0).integers(0, 3, (80, 4))
    found = discover(world(), gameplay(latent))
    assert [report.dead for report in found.actions] == [False, False, False, True]
    assert "left" not in found.proposal.key_map
    assert found.actions[3].remark == "dead"
    assert "dead" in findings(found, world())


def test_too_few_transitions_bury_nobody():
    assert Occurrence(np.array([199, 0]), "few").dead == []
    assert Occurrence(np.array([200, 1]), "enough").dead == [1]


def test_what_is_told_and_shown():
    done = []
    drawn = world()
    found = discover(drawn, None, "auto", done.append)
    assert sum(done) == work(drawn)
    assert found.dreams.shape == (4, 3, SHOWN_FRAMES + 1, 48, 48, 3)
    told = json.loads(json.dumps(as_json(found)))
    assert told["actions"][2]["name"] == "right"
    assert told["actions"][2]["flow_px"][0] > 1
    assert told["actions"][2]["share"] is None
    assert told["proposed"]["key_map"] == found.proposal.key_map
    rows = findings(found, drawn).splitlines()[3:7]
    assert [row.split()[:2] for row in rows] == [["0", "up"], ["1", "nothing"], ["2", "right"], ["3", "left"]]


def test_samples_of_real_files(tiny_h5, frames_only_h5):
    known = sample_gameplay({"files": [str(tiny_h5)]}, 4, 20)
    assert known.samples.shape == (20, 4, 16, 16, 3)
    assert known.sample_actions.shape == (20, 4)
    assert known.action_names == ("noop", "left", "right", "up")
    bare = sample_gameplay({"files": [str(frames_only_h5)]}, 4, 10_000)
    assert bare.sample_actions is None
    assert len(bare.samples) > 20
    with pytest.raises(MissingFileError):
        sample_gameplay({"files": ["nowhere.h5"]}, 4, 20)


def test_a_world_of_labels_counts_the_labels():
    true = np.repeat([[0, 1, 1, 3]], 60, axis=0)
    known = gameplay(np.zeros_like(true), true)
    labelled = SimpleNamespace(info=SimpleNamespace(actions="labels"), num_actions=4)
    counted = count_in_gameplay(labelled, known)
    assert counted.counts.tolist() == [60, 120, 0, 60]
    assert counted.table is None
    with pytest.raises(DataError, match="holds no actions"):
        count_in_gameplay(labelled, dataclasses.replace(known, sample_actions=None))
