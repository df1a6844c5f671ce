"""Logs of sessions and headers of worlds that make no sense: one line each, and an end."""

import json

import pytest
from tiny_worlds import change, tiny_world

from tinyworlds.commands.cli import main
from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.play.session_log import SessionLog
from tinyworlds.world.file import load_world, save_world

ODD = (
    None,
    True,
    -1,
    0.5,
    1 << 62,
    10**400,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "x" * 5000,
    [],
    [[]],
    {},
    {"a": {}},
    [1],
    ["x", 1],
)
GOOD = {
    "format": "tinyworlds session 2", "world": "a", "game": "g", "seed": 1, "fps": 15.0,
    "settings": [{"num_steps": 4}],
    "key_map": {"w": 1}, "device": "cpu", "events": [[0, "w", True], [1, "w", 2]], "num_ticks": 3,
}  # fmt: skip
TAKEN = {
    "world": ("", "x"), "game": ("", "x"), "device": ("", "x"), "seed": (1 << 62,), "fps": (0.5,),
    "settings": ([], [{}]),
    "key_map": ({},), "events": ([],), "num_ticks": (),
}  # fmt: skip


@pytest.mark.parametrize("entry", [*GOOD, "more"])
def test_each_entry_of_a_log_has_its_kind(entry, tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(GOOD))
    assert SessionLog.read(path).num_ticks == 3
    for value in ODD:
        if value in TAKEN.get(entry, ()) and not isinstance(value, bool):
            continue
        try:
            path.write_text(json.dumps({**GOOD, entry: value}))
        except ValueError:  # a number that Python does not write
            continue
        with pytest.raises(ConfigError, match="no log of a session") as failure:
            SessionLog.read(path)
        assert "\n" not in str(failure.value)


INSIDE = [
    {"settings": [{"device": "cuda"}]}, {"settings": [{"info": {}}]}, {"settings": [{"num_steps": 10**6}]},
    {"settings": [{"world_class": "x"}]}, {"settings": [{"temperature": -1}]},
    {"settings": [{"schedule": []}]},
    {"settings": [{"compile": 1}]}, {"events": [[0, "w"]]}, {"events": [[0, 1, True]]},
    {"events": [["0", "w", True]]},
    {"events": [[0, "w", -1]]}, {"events": [[-1, "w", True]]}, {"events": [{}]}, {"key_map": {"w": "x"}},
    {"key_map": {"w": -1}}, {"key_map": {"w" * 999: 1}}, {"num_ticks": 10**12},
]  # fmt: skip


@pytest.mark.parametrize("entries", INSIDE, ids=str)
def test_what_is_inside_is_looked_at(entries, tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**GOOD, **entries}))
    with pytest.raises(ConfigError, match="no log of a session"):
        SessionLog.read(path)


@pytest.mark.parametrize("text", ["[" * 99_999, "[]", "{}", '{"format": [1]}', "", b"\xff\xff", "{" * 5])
def test_no_log_at_all(text, tmp_path, error_line):
    path, world = tmp_path / "log.json", save_world(tmp_path / "x.world", tiny_world())
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "no log of a session" in error_line("play", str(world), "--replay", str(path))


def test_a_log_of_another_worlds_actions_is_one_line(tmp_path, monkeypatch, error_line):
    monkeypatch.chdir(tmp_path)
    world = save_world(tmp_path / "x.world", tiny_world())
    assert main(["play", str(world), "--headless", "--keys", "w*2", "--record", "--seed", "1"]) == 0
    [log] = (tmp_path / "recordings").glob("*.json")
    known = json.loads(log.read_text())
    log.write_text(json.dumps({**known, "key_map": {"w": 60_000}, "events": [[0, "w", True]]}))
    assert main(["play", str(world), "--replay", str(log)]) in (0, 2)
    log.write_text(json.dumps({**known, "events": [[0, "w", 60_000]]}))
    assert main(["play", str(world), "--replay", str(log)]) in (0, 2)


WORLD = {
    "schema_version": (None, True, -1, [[]], {"a": 1}, "1", 10**30, 0.5),
    "fps": (0, -1, 1e-300, 1e300, "15", None, [15], True, 10**400),
    "game": (None, 3, [], {}), "key_map": ([], {"a": None}, {"a": "1"}, {"a": 1.5}, "x"),
    "action_names": ("x", {}, [1], None, [[]]), "idle_action": (-1, "0", None, 10**30, 0.5, True),
    "actions": (None, 3, [], "other"), "true_actions": ([], {"a": "x"}, {"a": 99}),
    "metrics": ([], 3), "provenance": ([], "x"), "play": ([], "x", 3),
    "configs": ([], {"tokenizer": [], "dynamics": 3}, {"tokenizer": {"frame_size": [[1]]}, "dynamics": {}}),
}  # fmt: skip
PLAY = {
    "num_steps": (10**6, 0, -1, 1.5, True, "4"), "context_frames": (0, -1, 10**9, "x"),
    "temperature": (-1, "x", 1e300),
    "top_k": (0, -1, "x", 1.5), "top_p": (0, 2, -1, "x"), "schedule": ("other", 3, [], None),
}  # fmt: skip


@pytest.mark.parametrize("entry", [*WORLD, *(f"play.{name}" for name in PLAY)])
def test_each_entry_of_a_world_has_its_kind(entry, tmp_path):
    good = save_world(tmp_path / "x.world", tiny_world()).read_bytes()
    name = entry.removeprefix("play.")
    for value in PLAY[name] if name != entry else WORLD[entry]:
        (tmp_path / "x.world").write_bytes(good)
        change(tmp_path / "x.world", **({"play": {name: value}} if name != entry else {entry: value}))
        with pytest.raises(CheckpointError, match=r"x\.world") as failure:
            load_world(tmp_path / "x.world")
        assert "\n" not in str(failure.value)
        assert len(str(failure.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize(
    "header",
    [b'{"a":' * 2_000_000, b"{" + b" " * (9 << 20), b'{"__metadata__":{"tinyworlds":"' + b"[" * 99_999],
)
def test_headers_without_end(header, tmp_path):
    path = tmp_path / "x.world"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError) as failure:
        load_world(path)
    assert "\n" not in str(failure.value)
