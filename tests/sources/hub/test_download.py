"""`tinyworlds download` from a local folder: whole and verified files, resumed parts, one-line errors."""

import dataclasses
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from tinyworlds.commands.cli import main
from tinyworlds.sources.hub.checksum import checksum_of
from tinyworlds.sources.hub.folder_source import FolderSource
from tinyworlds.sources.hub.kinds import DATASETS

CONTENT = {
    "zelda_frames.h5": bytes(range(256)) * 20_000,
    "sub/sonic_frames.h5": b"sonic" * 1000,
    "sonic/sonic_dynamics_step_9.pth": b"weights" * 999,
    "zelda/zelda.world": b"world",
    "README.md": b"# nothing to fetch",
    ".hidden/secret.h5": b"hidden",
}
ZELDA = CONTENT["zelda_frames.h5"]


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A repository in a folder beside the current one."""
    folder = tmp_path / "mirror"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def download(*words: str, source="../mirror") -> int:
    return main(["download", *words, "--source", source])


def part_of(target: str, content: bytes) -> Path:
    return Path(f"{target}.{hashlib.sha256(content).hexdigest()[:12]}.part")


def files_here() -> list[str]:
    found = [path.as_posix() for path in Path().rglob("*") if path.is_file()]
    return sorted(name for name in found if "/.cache/" not in name)


def test_each_kind_lands_where_it_is_looked_for(mirror, capsys):
    assert download("datasets") == download("models", "--suite", "sonic") == download("worlds") == 0
    assert files_here() == [
        "data/sonic_frames.h5",
        "data/zelda_frames.h5",
        "models/sonic/sonic_dynamics_step_9.pth",
        "worlds/zelda.world",
    ]
    assert Path("data/zelda_frames.h5").read_bytes() == ZELDA
    out = capsys.readouterr().out
    assert "to fetch: 5.1 MB into data, where" in out
    for command in (
        "train zelda\n",
        "train sonic\n",
        "play worlds/sonic.world\n",
        "play worlds/zelda.world\n",
    ):
        assert f"next: tinyworlds {command}" in out


def test_the_games_find_what_was_fetched(mirror):
    from games.registry import get, titles
    from tinyworlds.checkpoints.titles import newest_world

    public = [spec for spec in map(get, titles()) if spec.public_file]
    assert len(public) == 5
    assert all(Path(spec.data_file) == Path(DATASETS.folder, spec.public_file) for spec in public)
    download("datasets")
    download("worlds")
    assert Path(get("zelda").data_file).is_file()
    assert newest_world(get("zelda")) == Path("worlds/zelda.world")


def test_weights_without_gameplay_say_how_to_get_it(mirror, capsys):
    download("models")
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "next: tinyworlds download datasets --pattern sonic_frames.h5",
        "next: tinyworlds export models/sonic worlds/sonic.world --data data/sonic_frames.h5",
        "next: tinyworlds play worlds/sonic.world",
    ]


def test_another_folder_or_game_is_named_in_the_next_command(mirror, capsys):
    (mirror / "mygame_frames.h5").write_bytes(b"mine")
    download("datasets", "--pattern", "mygame*", "zelda*", "--out", "big")
    out = capsys.readouterr().out
    assert "next: tinyworlds train mygame --data.files big/mygame_frames.h5\n" in out
    assert "next: tinyworlds train zelda --data.files big/zelda_frames.h5\n" in out


def test_what_is_here_is_verified_and_not_fetched_again(mirror, capsys, monkeypatch):
    download("datasets", "--pattern", "zelda*")
    before = Path("data/zelda_frames.h5").stat()
    monkeypatch.setattr(FolderSource, "read", lambda *words: pytest.fail("fetched again"))
    capsys.readouterr()
    assert download("datasets", "--pattern", "zelda*") == 0
    out = capsys.readouterr().out
    assert "here, verified" in out
    assert "to fetch" not in out
    after = Path("data/zelda_frames.h5").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_dry_run_writes_nothing(mirror, capsys):
    assert download("datasets", "--dry-run") == 0
    assert "zelda_frames.h5" in capsys.readouterr().out
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("mine", [b"my own recording", b"x" * len(ZELDA)], ids=["other size", "same size"])
def test_a_file_that_differs_is_kept(mirror, capsys, mine):
    Path("data").mkdir()
    Path("data/zelda_frames.h5").write_bytes(mine)
    assert download("datasets") != 0
    error = capsys.readouterr().err
    assert "differs from the published" in error
    assert "--overwrite" in error
    assert Path("data/zelda_frames.h5").read_bytes() == mine
    assert download("datasets", "--overwrite") == 0
    assert Path("data/zelda_frames.h5").read_bytes() == ZELDA


@pytest.mark.parametrize("length", [1, 1000, 3_000_000, len(ZELDA)])
def test_a_part_is_gone_on_with(mirror, capsys, monkeypatch, length):
    starts, read = [], FolderSource.read
    monkeypatch.setattr(FolderSource, "read", lambda s, f, start: starts.append(start) or read(s, f, start))
    Path("data").mkdir()
    part_of("data/zelda_frames.h5", ZELDA).write_bytes(ZELDA[:length])
    assert download("datasets", "--pattern", "zelda*") == 0
    assert "came before" in capsys.readouterr().out
    assert starts == [length] * (length < len(ZELDA))
    assert Path("data/zelda_frames.h5").read_bytes() == ZELDA
    assert files_here() == ["data/zelda_frames.h5"]


@pytest.mark.parametrize("rubbish", [b"\0" * 5000, b"\0" * len(ZELDA), b"\0" * (len(ZELDA) + 9)])
def test_a_part_that_is_no_beginning_of_the_file_is_fetched_anew(mirror, rubbish):
    Path("data").mkdir()
    part_of("data/zelda_frames.h5", ZELDA).write_bytes(rubbish)
    assert download("datasets", "--pattern", "zelda*") == 0
    assert Path("data/zelda_frames.h5").read_bytes() == ZELDA


def test_parts_of_other_versions_go_and_those_of_others_stay(mirror):
    Path("data").mkdir()
    old = part_of("data/zelda_frames.h5", b"another version")
    recording = Path("data/zelda_frames.h5.12345.part")  # as the recorder calls its own
    for path in (old, recording):
        path.write_bytes(b"begun")
    assert download("datasets", "--pattern", "zelda*") == 0
    assert files_here() == ["data/zelda_frames.h5", recording.as_posix()]


def test_published_checksums_are_believed(mirror, capsys):
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in CONTENT.items()]
    (mirror / "SHA256SUMS").write_text("".join(sums))
    assert download("datasets", "--pattern", "zelda*") == 0
    damaged = bytes([ZELDA[0] ^ 1]) + ZELDA[1:]
    (mirror / "zelda_frames.h5").write_bytes(damaged)
    assert download("datasets", "--pattern", "zelda*", "--out", "other") != 0
    assert "wrong checksum" in capsys.readouterr().err
    assert files_here() == ["data/zelda_frames.h5"]
    (mirror / "SHA256SUMS").write_text("rubbish\n")
    assert download("datasets") != 0
    assert "SHA256SUMS, line 1" in capsys.readouterr().err


def test_a_mirror_that_goes_away_is_named(mirror, capsys, monkeypatch):
    def gone(self, file):
        (self.folder / file.name).unlink()
        return dataclasses.replace(file, checksum="sha256:" + "0" * 64)

    monkeypatch.setattr(FolderSource, "with_checksum", gone)
    assert download("datasets", "--pattern", "zelda*") != 0
    assert "zelda_frames.h5 cannot be read (No such file" in capsys.readouterr().err
    assert files_here() == []


def test_the_checksum_of_small_files_is_that_of_git(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"hello\n")
    assert checksum_of(file, "git-sha1") == "git-sha1:ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset"], "Did you mean 'datasets'?"),
        (["datasets", "--pattern", "zelda_frame.h5"], "Did you mean 'zelda_frames.h5'?"),
        (["datasets", "--patern", "x"], "Did you mean '--pattern'?"),
        (["models", "--suite", "sonik"], "Did you mean 'sonic'?"),
        (["models", "--suite", "../work"], "There are: sonic"),
        (["worlds", "--source", "nowhere"], "no folder nowhere"),
    ],
)
def test_wrong_words_get_one_line(mirror, capsys, words, said):
    code = main(["download", *words, *([] if "--source" in words else ["--source", "../mirror"])])
    error = capsys.readouterr().err
    assert code != 0
    assert said in error
    assert error.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_disk_too_small_is_seen_before(mirror, capsys, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    assert download("datasets") != 0
    assert "5.1 MB are to be fetched, 1.0 MB are free" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_disk_that_fills_up_keeps_the_part(mirror):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, -1))\n"
        "from tinyworlds.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["download", "datasets", "--pattern", "zelda*", "--source", "../mirror"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Could not write data")
    assert done.stderr.count("\n") == 1
    part = part_of("data/zelda_frames.h5", ZELDA)
    assert files_here() == [part.as_posix()]
    assert 2_000_000 <= part.stat().st_size <= 3_000_000
    assert ZELDA.startswith(part.read_bytes())
    assert download("datasets", "--pattern", "zelda*") == 0
    assert files_here() == ["data/zelda_frames.h5"]


def test_ctrl_c_keeps_the_part(mirror, capsys, monkeypatch):
    read = FolderSource.read

    def interrupted(self, file, start):
        yield from itertools.islice(read(self, file, start), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FolderSource, "read", interrupted)
        assert download("datasets", "--pattern", "zelda*") == 130
    assert capsys.readouterr().err == "stopped; the same command goes on where it was\ninterrupted\n"
    part = part_of("data/zelda_frames.h5", ZELDA)
    assert files_here() == [part.as_posix()]
    assert part.read_bytes() == ZELDA[: 2 * 2**20]
    assert download("datasets", "--pattern", "zelda*") == 0
    assert files_here() == ["data/zelda_frames.h5"]


def test_a_folder_that_cannot_be_written(mirror, capsys):
    Path("file").write_text("no folder")
    assert download("datasets", "--out", "file/data") != 0
    assert capsys.readouterr().err.startswith(f"error: Could not write {Path('file/data')}")
    if (hasattr(os, "geteuid") and os.geteuid() == 0) or sys.platform == "win32":
        return  # root may write everywhere
    Path("locked").mkdir(mode=0o500)
    assert download("datasets", "--out", "locked") != 0
    assert "Permission denied" in capsys.readouterr().err


def test_light(mirror):
    heavy = "{'torch', 'h5py', 'huggingface_hub', 'lightning'} & set(sys.modules)"
    code = f"import sys; from tinyworlds.commands.cli import main; main(sys.argv[1:]); print({heavy})"
    words = ["download", "datasets", "--source", "../mirror"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
