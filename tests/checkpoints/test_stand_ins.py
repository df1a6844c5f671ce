"""Weights beside which a training script left numbers, paths and settings of its own: read, nothing run."""

import argparse
import collections
import datetime
import decimal
import fractions
import os
import pathlib
import pickle
import struct
import types
import uuid
import zipfile

import numpy as np
import pytest
import torch
from v1_cases import MOE_FILES as FILES
from v1_cases import content_of

from tinyworlds import load_network
from tinyworlds.checkpoints.plain_pickle import read_plain
from tinyworlds.commands.cli import main
from tinyworlds.errors import CheckpointError, MissingFileError

BESIDE = {
    "scalar": np.float64(0.3), "float16": np.float16(0.5), "float32": np.float32(-2), "int": np.int64(-7),
    "unsigned": np.uint8(200), "bool": np.bool_(True), "big endian": np.float64(1.5).astype(">f8"),
    "text": np.str_("x"), "array": np.arange(5.0),
    "strings": np.array(["a", "b"]), "2d": np.eye(3, order="F"),
    "dtype": np.dtype("float32"), "type": np.float32, "random": np.random.default_rng(0).random(3),
    "legacy random": np.random.RandomState(0).get_state(),
    "Namespace": argparse.Namespace(lr=1e-3, more=argparse.Namespace(a=1)),
    "simple": types.SimpleNamespace(a=[1]),
    "path": pathlib.Path("a/b"), "windows path": pathlib.PureWindowsPath("C:\\x"),
    "defaultdict": collections.defaultdict(list, {"loss": [1.0]}), "factory": collections.defaultdict(float),
    "deque": collections.deque([1, 2], maxlen=3), "Counter": collections.Counter("aab"), "set": {1, 2},
    "frozenset": frozenset([1]), "complex": 1j, "slice": slice(1, 2), "range": range(3),
    "datetime": datetime.datetime(2025, 1, 2, tzinfo=datetime.timezone.utc),
    "date": datetime.date(2025, 1, 2),
    "timedelta": datetime.timedelta(seconds=1), "time": datetime.time(1), "decimal": decimal.Decimal("1.5"),
    "fraction": fractions.Fraction(1, 3), "uuid": uuid.UUID(int=3), "bytes": b"\x00\xff", "long": 1 << 90,
}  # fmt: skip
NUMBERS = {
    "scalar": 0.3,
    "float16": 0.5,
    "float32": -2.0,
    "int": -7,
    "unsigned": 200,
    "bool": True,
    "big endian": 1.5,
}


@pytest.mark.parametrize(
    ("name", "zipped"),
    [
        *((name, True) for name in BESIDE),
        *((name, False) for name in ("scalar", "array", "Namespace", "path")),
    ],
)
def test_weights_are_read_whatever_lies_beside_them(name, zipped, tmp_path):
    path = tmp_path / FILES[0].name
    content = content_of(FILES[0])
    settings = {**content["config"], "more": BESIDE[name]}
    content = {**content, "more": BESIDE[name], "config": settings}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert load_network(path).state_dict().keys() == load_network(FILES[0]).state_dict().keys()
    found = read_plain(path)["more"]
    if name in NUMBERS:
        assert found == NUMBERS[name]
        assert type(found) in (int, float, bool)
    elif name == "path":
        assert found == "a/b"
    elif name in ("defaultdict", "Counter", "set"):
        assert found == BESIDE[name]
    elif isinstance(found, np.ndarray | pathlib.PurePath | argparse.Namespace):
        raise AssertionError(f"{type(found)} was made")


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "a command": Call(os.system, "touch proof"),
    "a path's method": Call(pathlib.Path.touch, pathlib.Path("proof")),
    "getattr": Call(getattr, pathlib.Path("proof"), "touch"),
    "an import": Call(__import__, "os"),
    "numpy's loader": Call(np.load, "proof"),
    "eval": Call(eval, "open('proof', 'w')"),
    "memory": Call(bytearray, 1 << 40),
    "a nested loader": Call(torch.storage._load_from_bytes, pickle.dumps(Call(os.system, "touch proof"))),
    "a factory": collections.defaultdict(os.getpid),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused_by_name(name, zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(
        {**content_of(FILES[0]), "more": HOSTILE[name]}, "x.pth", _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(CheckpointError, match="it wants") as error:
        load_network("x.pth")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "proof").exists()


def pickled(operations: bytes) -> bytes:
    return b"\x80\x02" + operations + b"."


def long(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


BOMBS = {
    "sets without end": pickled(b"\x8f" * 600_000),
    "lists within lists": pickled(b"}" + long(b"a") + b"]" * 300_000 + b"a" * 299_999 + b"s"),
    "a name by the stack": pickled(long(b"os") + long(b"system") + b"\x93" + long(b"touch proof") + b"\x85R"),
    "an instance": pickled(b"(" + long(b"touch proof") + b"ios\nsystem\n"),
    "a text of 4 GB": pickled(b"X\xff\xff\xff\xff"),
    "bytes of 2**62": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62),
    "an extension": pickled(b"\x82\x01"),
    "a number of 255 bytes": pickled(b"}" + long(b"global_step") + b"\x8a\xff" + b"\x7f" * 255 + b"s"),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "alone"])
@pytest.mark.parametrize("name", BOMBS)
def test_pickles_that_ask_for_more_than_they_are(name, zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", BOMBS[name])
            archive.writestr("x/version", "3")
    else:
        path.write_bytes(BOMBS[name])
    with pytest.raises(CheckpointError) as error:
        load_network(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "proof").exists()


def test_entries_that_overlap(tmp_path):
    """One megabyte that poses as many files."""
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", BOMBS["an extension"])
        archive.writestr("x/big", b"\0" * (1 << 20))
        for i in range(50):
            twin = zipfile.ZipInfo(f"x/{i}")
            big = archive.getinfo("x/big")
            for field in ("file_size", "compress_size", "CRC", "header_offset", "compress_type"):
                setattr(twin, field, getattr(big, field))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
    with pytest.raises(CheckpointError, match="truncated or no checkpoint"):
        load_network(path)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"


@pytest.mark.parametrize("name", ["x.pth", "x.ckpt", "x.safetensors", "x.world"])
def test_a_pointer_of_git_lfs_is_called_one(name, tmp_path, capsys):
    path = tmp_path / name
    path.write_text(POINTER)
    with pytest.raises(MissingFileError, match="git lfs pull"):
        load_network(path, stage="dynamics")
    commands = (["convert", path, "out.safetensors"], ["evaluate", path], ["actions", path])
    for words in (*commands, ["play", path, "--headless", "--keys", "w"]):
        assert main([*map(str, words)]) != 0
        assert "git lfs pull" in capsys.readouterr().err, words


def test_pointers_in_place_of_gameplay_and_videos(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("x.h5", "x.mp4"):
        (tmp_path / name).write_text(POINTER)
    for words in (["inspect", "x.h5"], ["optimize", "x.h5"], ["ingest", "x.mp4", "--game", "mine"]):
        assert main(words) != 0
        assert "git lfs pull" in capsys.readouterr().err, words


def test_a_folder_of_pointers(tmp_path):
    (tmp_path / "dynamics_step_3").mkdir()
    for name in ("model_state_dict.pt", "state.pt"):
        (tmp_path / "dynamics_step_3" / name).write_text(POINTER)
    with pytest.raises(MissingFileError, match="git lfs pull"):
        load_network(tmp_path / "dynamics_step_3")
