"""Damage checkpoints in many ways and load them: ``python checkpoint_fuzzing.py FOLDER COUNT SEED``.

Prints how each kind of file ended, as JSON: ``loaded``, ``error`` (ours, in one line) or ``bug`` (anything
else, with a traceback on stderr; also a file that took seconds or memory out of proportion). Not a test by
itself, see `test_checkpoint_fuzz.py`.
"""

import contextlib
import faulthandler
import io
import json
import logging
import pickle
import pickletools
import random
import sys
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from tinyworlds import DynamicsModel, LatentActionModel, VideoTokenizer, World, load_network
from tinyworlds.checkpoints.formats import read_checkpoint, write_stage
from tinyworlds.checkpoints.v1_keys import original_config, original_names
from tinyworlds.errors import TinyWorldsError
from tinyworlds.world.file import save_world
from tinyworlds.world.start_clips import StartClips

SIZES = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 6, "num_blocks": 1}
MEMORY = 8 << 30
SECONDS = 20.0
PROOF = "tinyworlds_fuzzing_ran_code"


def sources(folder: Path) -> dict[str, bytes]:
    """One good file of each kind."""
    torch.manual_seed(0)
    old = {**SIZES, "architecture": "v1"}
    tokenizer = VideoTokenizer(frame_size=8, patch_size=4, latent_dim=2, **old)
    latent = LatentActionModel(frame_size=8, patch_size=4, num_actions=4, **old)
    dynamics = DynamicsModel(num_patches=4, latent_dim=2, num_actions=4, **old)
    clips = np.zeros((2, 3, 8, 8, 3), np.uint8)
    world = World(tokenizer, dynamics, latent, start_clips=StartClips(clips, np.zeros((2, 2), np.int64)))
    save_world(folder / "good.world", world)
    config = original_config("dynamics", dynamics.config)
    content = {"model": original_names("dynamics", dynamics.state_dict()), "config": config, "step": 3}
    torch.save(content, folder / "good.pth")
    torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    checkpoint = read_checkpoint(folder / "good.pth")
    torch.save(checkpoint, folder / "good.ckpt")
    write_stage(folder / "good.safetensors", checkpoint)
    names = ("good.world", "good.pth", "legacy.pth", "good.ckpt", "good.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def damaged(data: bytes, random: random.Random) -> bytes:
    """Cut, flipped, swapped, repeated or overwritten."""
    data = bytearray(data)
    kind = random.randrange(6)
    at = random.randrange(len(data))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for _ in range(random.choice((1, 4, 64))):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    elif kind == 2:
        data[at : at + random.choice((1, 8, 400))] = random.randbytes(random.choice((1, 8, 400)))
    elif kind == 3:
        other = random.randrange(len(data))
        data[at : at + 64] = data[other : other + 64]
    elif kind == 4:
        value = random.choice((b"\xff" * 8, b"\x00" * 8, b"\xff" * 7 + b"\x7f", b"\x00\x00\x00\x80"))
        data[at : at + len(value)] = value
    else:
        data[at:at] = data[at // 2 : at]
    return bytes(data)


def damaged_inside(data: bytes, random: random.Random) -> bytes:
    """The pickle or JSON within a file is damaged, and the container around it is made right again."""
    if data[:2] == b"PK":
        return rezipped(data, random)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        header = changed_json(data[8 : 8 + length], random)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    return changed_pickle(data, random)


def rezipped(data: bytes, random: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = changed_pickle(content, random)
            elif random.random() < 0.02:
                content = damaged(content or b"\0", random)
            new.writestr(entry.filename, content)
    return out.getvalue()


def changed_pickle(data: bytes, random: random.Random) -> bytes:
    """Numbers grow, instructions go or move, classes become others, code is put in front."""
    spots = [(op, arg, at) for op, arg, at in operations(data)]
    if not spots:
        return damaged(data, random)
    op, _, at = random.choice(spots)
    kind = random.randrange(5)
    if kind == 0:
        numbers = [spot for spot in spots if spot[0].startswith("BININT")]
        if numbers:
            op, arg, at = random.choice(numbers)
            size = {"BININT1": 2, "BININT2": 3}.get(op, 5)
            huge = random.choice((0, arg + 1, 1 << 20, (1 << 31) - 1, -1))
            return data[:at] + b"J" + huge.to_bytes(4, "little", signed=True) + data[at + size :]
    if kind == 1:
        other = random.choice(spots)[2]
        return data[: min(at, other)] + data[max(at, other) :]
    if kind == 2:
        evil = pickle.dumps(random.choice((print, eval, exec)), protocol=2)[2:-1]
        command = f"open('{PROOF}', 'w')"
        call = evil + b"X" + len(command).to_bytes(4, "little") + command.encode() + b"\x85R"
        return data[:at] + call + data[at:]
    if kind == 3:
        names = (b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"cposix\nsystem\n")
        return data[:at] + random.choice(names) + data[at:]
    return damaged(data, random)


def operations(data: bytes) -> list:
    """Every instruction and its place; legacy files hold several pickles, then raw numbers."""
    found, stream = [], io.BytesIO(data)
    with contextlib.suppress(Exception):
        while True:
            found += [(op.name, arg, at) for op, arg, at in pickletools.genops(stream)]
    return found


def changed_json(text: bytes, random: random.Random) -> bytes:
    if random.random() < 0.3:
        return damaged(text, random)
    header = json.loads(text)
    if random.random() < 0.5:
        value = header["__metadata__"]
        inner = json.loads(value["tinyworlds"])
        change(inner, random)
        value["tinyworlds"] = json.dumps(inner)
    else:
        change(header, random)
    return json.dumps(header).encode()


def change(tree: dict, random: random.Random) -> None:
    """Replace, rename or drop one entry somewhere in a tree."""
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = random.choice(keys)
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.1:
            break
        node = inner
    if random.random() < 0.15 and isinstance(node, dict):
        del node[key]
        return
    values = (0, -1, 1 << 20, 1 << 62, 0.5, 1e308, "abc", "", None, True, [], {}, [[1, 2]], {"a": 1}, 3, 128)
    node[key] = random.choice(values)


def outcome(path: Path) -> str:
    began = time.monotonic()
    try:
        if path.suffix == ".world":
            world = World.load(path)
            world.reset(seed=0)
            world.step(0)
        else:
            load_network(path)
        ended = "loaded"
    except TinyWorldsError as error:
        ended = "error" if str(error).strip() else "bug"
    except BaseException:
        traceback.print_exc()
        return "bug"
    if time.monotonic() - began > SECONDS or Path(PROOF).exists():
        print(f"took {time.monotonic() - began:.1f} s, ran code: {Path(PROOF).exists()}", file=sys.stderr)
        return "bug"
    return ended


def limit_memory() -> None:
    """Where the system can, make a file that asks for terabytes fail at once."""
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main(folder: Path, count: int, seed: int) -> None:
    faulthandler.enable()
    logging.disable()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    good = sources(folder)
    limit_memory()
    counts = {name: Counter() for name in good}
    for i in range(count):
        name = list(good)[i % len(good)]
        draw = random.Random(f"{seed} {i}")
        change_it = damaged_inside if draw.random() < 0.6 else damaged
        path = folder / f"fuzzed{Path(name).suffix}"
        path.write_bytes(change_it(good[name], draw))
        (folder / "now").write_text(f"{name}, number {i}")
        ended = outcome(path)
        counts[name][ended] += 1
        if ended == "bug":
            print(f"bug: {name}, number {i}", file=sys.stderr)
            (folder / f"bug_{i}{path.suffix}").write_bytes(path.read_bytes())
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
