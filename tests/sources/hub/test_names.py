"""Downloads under names chosen elsewhere: none leads out of its folder or becomes another file."""

import json
import os
import sys
from pathlib import Path

import pytest

from tinyworlds.commands.cli import main
from tinyworlds.errors import DataError
from tinyworlds.sources.hub.fetch import plan
from tinyworlds.sources.hub.listing import PublishedFile


@pytest.mark.parametrize("names", [("a.h5", "A.h5"), ("ü.h5", "u\u0308.h5"), ("x/straße.h5", "x/STRASSE.h5")])
def test_names_that_are_one_file_elsewhere_are_refused(names, tmp_path):
    files = [PublishedFile(name, 0, "sha256:" + "0" * 64) for name in names]
    with pytest.raises(DataError, match="would be one file"):
        plan(files, tmp_path)


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
