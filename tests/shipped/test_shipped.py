"""Every world that comes with the package: small, whole, alive under every key, its card up to date."""

import numpy as np
import pytest
from paths import ROOT

from games.registry import titles
from tinyworlds.api import World
from tinyworlds.export.card import card_text
from tinyworlds.export.small import PROOF_KEY, equal_share, proof
from tinyworlds.shipped import is_shipped, shipped_worlds
from tinyworlds.world.facts import WorldFacts

NAMES = sorted(shipped_worlds())


@pytest.fixture(scope="module")
def worlds():
    return {name: World.load(path) for name, path in shipped_worlds().items()}


def test_there_is_one():
    assert "doom" in NAMES
    assert all(is_shipped(path) for path in shipped_worlds().values())
    assert not is_shipped(ROOT / "doom.world")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_says_where_it_comes_from(name):
    facts = WorldFacts.of(shipped_worlds()[name])
    assert facts.megabytes <= 4
    assert facts.game in titles()
    assert facts.art
    assert facts.provenance["data"]
    assert facts.num_clips >= 4


@pytest.mark.parametrize("name", NAMES)
def test_its_networks_give_what_they_gave_when_it_was_made(name, worlds):
    noted, found = worlds[name].info.provenance[PROOF_KEY], proof(worlds[name])
    assert equal_share(found, noted) > 0.97
    assert found["reconstruction_psnr"] == pytest.approx(noted["reconstruction_psnr"], abs=0.1)
    assert found["reconstruction_psnr"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_plays_500_frames_and_every_key_moves_it(name, worlds):
    world = worlds[name].session()
    frame = world.reset(seed=0)
    changes = []
    for action in range(world.num_actions):
        for _ in range(-(-500 // world.num_actions)):
            before, frame = frame, world.step(action)
            assert frame.shape == world.frame_shape
            assert frame.dtype == np.uint8
            changes.append((action, float(np.abs(frame.astype(int) - before).mean())))
        assert frame.std() > 5  # a picture, not one colour
    assert len(changes) >= 500
    life = {action: np.mean([change for a, change in changes if a == action]) for action, _ in changes}
    assert min(life.values()) > 0.05, life


@pytest.mark.parametrize("name", NAMES)
def test_its_card_is_the_one_of_this_file(name, worlds):
    page = ROOT / "docs" / "worlds" / f"{name}.md"
    facts = WorldFacts.of(shipped_worlds()[name])
    assert page.read_text(encoding="utf-8") == card_text(facts, f"{name}.png", worlds[name].action_names), (
        f"write it anew: tinyworlds worlds --card {name} --out docs/worlds/{name}.md"
    )
    assert page.with_suffix(".png").is_file()
