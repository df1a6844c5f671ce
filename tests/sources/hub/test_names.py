"""Names chosen elsewhere: none of them can lead out of its folder or become another file, on any system."""

import json
import os
import random
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from tinyworlds.commands.cli import main
from tinyworlds.errors import DataError
from tinyworlds.sources.hub.fetch import plan
from tinyworlds.sources.hub.listing import PublishedFile
from tinyworlds.sources.hub.names import path_in, why_unsafe

HOSTILE = [
    "", ".", "..", "../x.h5", "a/../x.h5", "a/../../x.h5", "a/./x.h5", "a//x.h5", "x.h5/", "/etc/passwd.h5",
    "//host/x.h5", "\\x.h5", "\\\\host\\share\\x.h5", "..\\x.h5", "a\\..\\..\\x.h5", "C:\\x.h5", "C:x.h5",
    "c:/x.h5", "a/C:/x.h5", "x.h5:stream", "x\0.h5", "x.h5\0.txt", "a\nb.h5", "a\x1b[2Jb.h5", "\u202e5h.x",
    "\udc80.h5", "a\u2028b.h5", "con.h5", "CON", "a/nul.h5", "Aux .h5", "com1.h5", "COM¹.h5", "lpt9.tar.h5",
    "prn", "conin$", ".git/config.h5", ".cache/hub.json", "a/.ssh/x.h5", "x.h5.", "x.h5 ", " x.h5", "a /x.h5",
    "...", "x?.h5", "x*.h5", "<x>.h5", 'x".h5', "x|y.h5", "x" * 300 + ".h5",
]  # fmt: skip
GOOD = [
    "zelda_frames.h5",
    "sonic/sonic_dynamics_step_300000_2025.pth",
    "a b/c-d.e_f.h5",
    "Zürich/ゼルダ.h5",
    "console.h5",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_refused(name, tmp_path):
    with pytest.raises(DataError) as caught:
        path_in(tmp_path, name)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", GOOD)
def test_ordinary_names_are_kept(name, tmp_path):
    assert path_in(tmp_path, name) == tmp_path / name


def test_no_accepted_name_leaves_its_folder_on_any_system():
    seed = 4
    print("seed", seed)
    rng = random.Random(seed)
    pieces = [
        "..",
        ".",
        "/",
        "/",
        "\\",
        "C:",
        "a",
        "a",
        "b.h5",
        "\0",
        "\n",
        "nul",
        "con.",
        " ",
        "~",
        "%2e%2e",
        "\u2024",
    ]
    accepted = 0
    for _ in range(50_000):
        name = "".join(rng.choices(pieces, k=rng.randint(1, 7)))
        if why_unsafe(name) is not None:
            continue
        accepted += 1
        for path in (PurePosixPath("/top/folder") / name, PureWindowsPath("D:/top/folder") / name):
            assert path.parts[:3] == type(path)(path.anchor + "top/folder").parts, name
            assert ".." not in path.parts
            assert not any(part != part.rstrip(". ") for part in path.parts[3:])
    print(accepted, "of 50,000 accepted")
    assert accepted > 1000


class Empty:
    """A source whose files are empty."""

    def with_checksum(self, file):
        return file


@pytest.mark.parametrize("names", [("a.h5", "A.h5"), ("ü.h5", "u\u0308.h5"), ("x/straße.h5", "x/STRASSE.h5")])
def test_names_that_are_one_file_elsewhere_are_refused(names, tmp_path):
    files = [PublishedFile(name, 0, "sha256:" + "0" * 64) for name in names]
    with pytest.raises(DataError, match="would be one file"):
        plan(Empty(), files, tmp_path)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A secret, a mirror, and an empty working folder, which is the current one."""
    for name in ("mirror", "work", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.h5").write_bytes(b"secret")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def downloaded(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot make such files")
@pytest.mark.parametrize(
    "name", ["a\\..\\x.h5", "C:x.h5", "con.h5", "a\nb.h5", "\x1b[2J.h5", "x.h5 /b.h5"], ids=ascii
)
def test_a_mirror_with_a_hostile_name(name, folders, capsys):
    file = folders / "mirror" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    assert main(["download", "datasets", "--source", "../mirror"]) != 0
    error = capsys.readouterr().err
    assert error.startswith("error: refused the file name")
    assert error.rstrip("\n").isprintable()
    assert downloaded(folders / "work") == []


@pytest.mark.skipif(
    not hasattr(os, "symlink") or sys.platform == "win32", reason="links need rights on Windows"
)
@pytest.mark.parametrize("sums", [False, True])
def test_links_of_a_mirror_stay_in_it(folders, capsys, sums):
    (folders / "mirror/real.h5").write_bytes(b"real")
    (folders / "mirror/inside.h5").symlink_to("real.h5")
    assert main(["download", "datasets", "--source", "../mirror"]) == 0
    assert Path("data/inside.h5").read_bytes() == b"real"
    assert not Path("data/inside.h5").is_symlink()
    (folders / "mirror/out.h5").symlink_to("../secret.h5")
    if sums:
        (folders / "mirror/SHA256SUMS").write_text("0" * 64 + "  out.h5\n")
    assert main(["download", "datasets", "--source", "../mirror", "--pattern", "out.h5"]) != 0
    assert "leads out of" in capsys.readouterr().err
    assert not Path("data/out.h5").exists()
    (folders / "mirror/folder").symlink_to("../elsewhere")  # linked folders are not walked into
    (folders / "elsewhere/far.h5").write_bytes(b"far")
    assert main(["download", "datasets", "--source", "../mirror", "--pattern", "far.h5"]) != 0


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_in_the_target_folder_is_not_followed_out_of_it(folders, capsys):
    (folders / "mirror/sonic").mkdir()
    (folders / "mirror/sonic/x.pth").write_bytes(b"x")
    Path("models").mkdir()
    Path("models/sonic").symlink_to("../../elsewhere")
    assert main(["download", "models", "--source", "../mirror"]) != 0
    assert "is a link that leads out of" in capsys.readouterr().err
    assert downloaded(folders / "elsewhere") == []


@pytest.mark.parametrize(
    "content", ["rubbish", "[]", '{"a/b": 3}', '{"a/b": {"files": [{"name": 1}], "revision": ""}}', "\0"]
)
def test_a_damaged_memory_is_none(folders, capsys, content):
    Path("data/.cache").mkdir(parents=True)
    Path("data/.cache/hub.json").write_text(content)
    assert main(["download", "datasets", "--offline", "--repo", "a/b"]) != 0
    assert "nothing is known of a/b" in capsys.readouterr().err


def test_a_memory_with_a_hostile_name(folders, capsys):
    Path("data/.cache").mkdir(parents=True)
    file = {"name": "../../secret.h5", "size": 6, "checksum": "sha256:" + "0" * 64}
    Path("data/.cache/hub.json").write_text(json.dumps({"a/b": {"revision": "", "files": [file]}}))
    assert main(["download", "datasets", "--offline", "--repo", "a/b"]) != 0
    assert "refused the file name" in capsys.readouterr().err
