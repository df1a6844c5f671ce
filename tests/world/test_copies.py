"""A world can be copied, pickled and sent to another process, whatever it has played so far."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from small_worlds import random_world

from tinyworlds.world.cuda_graph import CapturedStep

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda world: pickle.loads(pickle.dumps(world)),
}
SETTINGS = [
    dict(architecture=architecture, feedback=feedback, temperature=temperature)
    for architecture, feedback, temperature in [
        ("v1", "codes", 0.0),
        ("v1", "pixels", 1.0),
        ("v2", "codes", 1.0),
        ("v2", "memory", 0.0),
        ("v2", "pixels", 1.0),
    ]
]


def play_on(world):
    return np.stack([world.step(action) for action in (1, 3, 0, 2)])


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
@pytest.mark.parametrize("num_steps", [0, 2])
def test_a_copy_goes_on_as_the_original_does(make, settings, num_steps):
    world = random_world(**settings)
    world.reset(seed=3)
    for _ in range(num_steps):
        world.step(1)
    twin = make(world)
    expected = play_on(twin)
    assert np.array_equal(play_on(world), expected)  # the twin's steps were not felt
    assert np.array_equal(twin.reset(seed=1), world.reset(seed=1))


def test_a_copy_has_weights_of_its_own():
    world = random_world()
    world.reset(seed=0)
    world.step(1)
    twin = copy.deepcopy(world)
    state, expected = world.state(), play_on(world)
    with torch.no_grad():
        for weight in twin.dynamics.parameters():
            weight.zero_()
    world.restore(state)
    assert np.array_equal(play_on(world), expected)


def test_environments_are_copied_in_the_middle_of_an_episode():
    env = random_world().as_env()
    env.reset(seed=0)
    env.step(1)
    twin = copy.deepcopy(env)
    assert np.array_equal(twin.step(2)[0], env.step(2)[0])


@pytest.mark.slow
def test_another_process_plays_on(tmp_path):
    world = random_world(temperature=1.0)
    world.reset(seed=3)
    world.step(2)
    (tmp_path / "world").write_bytes(pickle.dumps(world))
    code = (
        "import pickle, sys; from pathlib import Path; folder = Path(sys.argv[1]);"
        "world = pickle.loads((folder / 'world').read_bytes());"
        "(folder / 'frames').write_bytes(pickle.dumps([world.step(action) for action in (1, 3, 0, 2)]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    frames = pickle.loads((tmp_path / "frames").read_bytes())
    assert np.array_equal(frames, play_on(world))


class BoundToItsMemory:
    """A capture, as far as the step that keeps it can tell."""

    def __init__(self, step, inputs, generator):
        self.outputs = step(*inputs)

    def replay(self):
        """The outputs stand already."""

    def __reduce__(self):
        raise RuntimeError("a graph belongs to the memory that it was captured with")


def negative(x):
    return (-x,)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_captures_steps_of_its_own(make):
    captured = CapturedStep(negative, capture=BoundToItsMemory)
    captured("kind", torch.ones(1))
    (output,) = make(captured)("kind", torch.full((1,), 3.0))
    assert output == -3
