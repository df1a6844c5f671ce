"""Names chosen elsewhere: none of them can lead out of its folder, on any system."""

import random
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from tinyworlds.errors import DataError
from tinyworlds.system.files import path_in, why_unsafe

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
