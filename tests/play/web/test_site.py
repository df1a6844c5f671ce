"""The folder of static files that `tinyworlds export WORLD ... --web FOLDER` writes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from made_runs import make_run
from small_worlds import random_world
from tiny_worlds import SIZES, tiny_world

from tinyworlds.api import World
from tinyworlds.commands.cli import main
from tinyworlds.models import DynamicsModel, VideoTokenizer
from tinyworlds.play.web.facts import check_plays, web_world
from tinyworlds.world.file import save_world
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.start_clips import StartClips


@pytest.fixture
def world_file(tmp_path):
    return save_world(tmp_path / "tiny.world", tiny_world(actions="labels"))


def broad_world():
    """Of maps that are large enough for eight bits, in heads of eight channels."""
    torch.manual_seed(0)
    sizes = {"embed_dim": 64, "num_heads": 8, "hidden_dim": 96, "num_blocks": 1}
    tokenizer = VideoTokenizer(frame_size=16, patch_size=4, latent_dim=2, num_bins=4, **sizes)
    dynamics = DynamicsModel(num_patches=16, latent_dim=2, num_bins=4, num_actions=4, **sizes)
    clips = tiny_world().start_clips
    return World(tokenizer, dynamics, info=WorldInfo(actions="labels"), start_clips=clips)


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def read(folder, name="tiny"):
    facts = json.loads((folder / name / "world.json").read_text())
    return facts, (folder / name / facts["weights"]).read_bytes()


def unpacked(part, data):
    """The tensors of a network as the page unpacks them, by name."""
    found, at = {}, part["from"]
    for tensor in part["tensors"]:
        rows, columns = tensor["rows"], tensor["columns"]
        kind = {"int8": np.int8, "half": np.float16, "float32": np.float32, "raw": np.uint8}[tensor["kind"]]
        value = np.frombuffer(data, kind, rows * columns, at).reshape(rows, columns)
        at += value.nbytes
        if tensor["kind"] == "int8":
            value = value * np.frombuffer(data, np.float32, rows, at)[:, None]
            at += 4 * rows
        found[tensor["name"]] = value
    return found, at


def test_export_writes_a_page_of_relative_addresses_that_lead_somewhere(world_file, tmp_path, capsys):
    site = tmp_path / "site"
    assert main(["export", str(world_file), "--web", str(site)]) == 0
    told = capsys.readouterr().out
    assert "its weights as int8 (100.0 % of the next codes as before, the tokenizer loses 0.00 dB)" in told
    assert f"python -m http.server --directory {site} 8000" in told
    files, page = names(site), (site / "index.html").read_text()
    assert 'data-world="tiny/"' in page
    assert {"tiny/world.json", "page/heads_8.wasm", "page/heads_8_fused.wasm"} <= files
    assert "page/heads_32.wasm" not in files  # what is not asked for weighs nothing
    for address in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert address in files
    for script in (name for name in files if name.endswith(".js")):
        text = (site / script).read_text()
        assert "http:" not in text
        assert "https:" not in text
        for address in re.findall(r'(?:from|URL\() ?"\./([^"]+)"', text):
            assert f"page/{address}" in files
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("weights", ["int8", "half", "float32"])
def test_weights_come_back_as_they_are_packed_in_a_world(weights):
    world = broad_world()
    web = web_world(world, "tiny", weights)
    kinds = {tensor["kind"] for part in ("dynamics", "decoder") for tensor in web.facts[part]["tensors"]}
    assert weights in kinds
    for part, network in (("dynamics", world.dynamics), ("decoder", world.tokenizer.decoder)):
        found, _ = unpacked(web.facts[part], web.data)
        for name, weight in network.named_parameters():
            given = weight.detach().numpy().reshape(found[name].shape)
            assert np.abs(found[name] - given).max() <= {"int8": 0.01, "half": 1e-3, "float32": 0}[weights]
        turns = [found[name] for name in found if name.startswith("turns")]
        assert len(turns) == (4 if part == "dynamics" else 2)
        assert all(each.dtype == np.float32 for each in turns)  # a place in the frame is never rounded


def test_start_clips_are_kept_as_codes_with_their_actions():
    world = tiny_world(actions="labels")
    web = web_world(world, "tiny", "int8")
    clips = web.facts["clips"]
    codes = np.frombuffer(web.data, "<u2", offset=clips["from"]).reshape(3, clips["frames"], 16)
    frames = torch.from_numpy(world.start_clips.frames).movedim(-1, -3).float() / 127.5 - 1
    assert np.array_equal(codes, world.tokenizer.encode(frames).numpy())
    assert clips["actions"] == world.start_clips.actions.tolist()


def test_several_worlds_make_a_page_to_choose_from(world_file, tmp_path):
    other = save_world(tmp_path / "other" / "tiny.world", random_world())
    site = tmp_path / "site"
    assert main(["export", str(world_file), str(other), "--web", str(site)]) == 0
    choice = (site / "index.html").read_text()
    assert re.findall(r'<a href="([^"]+)">', choice) == ["tiny/", "tiny-2/"]
    for world in ("tiny", "tiny-2"):
        page = (site / world / "index.html").read_text()
        assert {"world.json", "start.png"} <= names(site / world)
        assert 'data-worlds="../"' in page
        assert 'src="../page/main.js"' in page
    assert read(site)[0]["says"]["title"] == "TinyWorlds tiny"
    assert read(site, "tiny-2")[0]["says"]["title"] == "TinyWorlds noise"


def test_names_of_strangers_are_text_in_the_pages(tmp_path):
    name = '"><script>alert(1)</script>'
    files = []
    for number in range(2):
        world = tiny_world(actions="labels")
        object.__setattr__(world.info, "game", name)
        files.append(str(save_world(tmp_path / f"<b>{number}.world", world)))
    assert main(["export", *files, "--web", str(tmp_path / "site")]) == 0
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"page", "b-0", "b-1", "index.html"}
    for page in (tmp_path / "site").rglob("*.html"):
        assert "<script>alert" not in page.read_text()
        assert "&lt;script&gt;alert" in page.read_text()


def test_a_second_export_leaves_no_weights_of_the_first(world_file, tmp_path):
    site = tmp_path / "site"
    (site / "tiny").mkdir(parents=True)
    (site / "tiny" / "own.txt").write_text("a person's")
    assert main(["export", str(world_file), "--web", str(site)]) == 0
    first = read(site)[0]["weights"]
    assert main(["export", str(world_file), "--web", str(site), "--weights", "float32"]) == 0
    second = read(site)[0]["weights"]
    assert names(site / "tiny") == {"world.json", second, "own.txt"}
    assert first != second


def test_settings_of_play_reach_the_page(world_file, tmp_path):
    words = ["--temperature", "0", "--num_steps", "3", "--schedule", "exponential"]
    assert main(["export", str(world_file), "--web", str(tmp_path / "site"), *words]) == 0
    facts, _ = read(tmp_path / "site")
    assert facts["sampling"]["temperature"] == 0
    assert len(facts["sampling"]["counts"]) == 3
    assert facts["sampling"]["order"] is None
    assert facts["sureness"] is None or facts["sureness"]["num_frames"] >= 1
    commands = [command["name"] for command in facts["says"]["commands"]]
    assert "record" not in commands
    assert "quit" not in commands
    assert facts["keys"]["left"] == facts["keys"]["1"] == 1


def test_a_run_becomes_a_page_too(tmp_path, tiny_h5):
    make_run(tmp_path / "my run", tiny_h5)
    words = ["export", str(tmp_path / "my run"), "--web", str(tmp_path / "site"), "--num_clips", "3"]
    assert main(words) == 0
    facts, _ = read(tmp_path / "site", "my-run")
    assert facts["says"]["title"] == "TinyWorlds sprite"
    assert len(facts["clips"]["actions"]) == 3


def wide_heads():
    tokenizer = VideoTokenizer(**SIZES, latent_dim=2, num_bins=4)
    sizes = {"embed_dim": 24, "num_heads": 1, "hidden_dim": 24, "num_blocks": 1}
    dynamics = DynamicsModel(num_patches=16, latent_dim=2, num_bins=4, num_actions=4, **sizes)
    return World(tokenizer, dynamics, start_clips=tiny_world().start_clips)


def without_clips():
    world = tiny_world()
    world.start_clips = StartClips()
    return world


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (lambda: tiny_world("v1"), "v1"),
        (lambda: random_world(num_experts=2), "mixture of experts"),
        (lambda: tiny_world(top_k=5, temperature=1.0), "not by top_k"),
        (without_clips, "no start clips: put some in with `tinyworlds convert"),
        (wide_heads, "heads have 24 channels"),
    ],
)
def test_a_world_that_no_page_can_play_is_refused_in_one_line(world, reason, tmp_path, capsys):
    file = save_world(tmp_path / "odd.world", world())
    assert main(["export", str(file), "--web", str(tmp_path / "site")]) != 0
    said = capsys.readouterr().err.strip()
    assert reason in said
    assert "odd.world cannot be played in a page" in said
    assert "\n" not in said
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "name the worlds or runs"),
        (["doom", "--tune"], "--tune"),
        (["doom", "--tokenizer", "x.ckpt"], "--tokenizer"),
        (["nothing_of_this_name"], "nothing_of_this_name"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(words, reason, tmp_path, capsys):
    assert main(["export", *words, "--web", str(tmp_path / "site")]) != 0
    said = capsys.readouterr().err.strip()
    assert reason in said
    assert "\n" not in said
    assert not (tmp_path / "site").exists()


def test_a_folder_that_cannot_be_written_is_named(world_file, tmp_path, capsys):
    (tmp_path / "site").write_text("a file")
    assert main(["export", str(world_file), "--web", str(tmp_path / "site")]) != 0
    assert str(Path(tmp_path) / "site") in capsys.readouterr().err


def test_a_shipped_world_passes():
    from tinyworlds.shipped import shipped_worlds
    from tinyworlds.world.file import load_world

    for name, path in shipped_worlds().items():
        check_plays(load_world(path), name)
