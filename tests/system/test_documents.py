"""YAML and JSON that anybody may have written: one line and bounded memory, whoever reads them."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tinyworlds.errors import ConfigError, MissingFileError
from tinyworlds.system.documents import read_json, read_yaml

_LEVELS = "abcdefghi"
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(_LEVELS)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, name in pairwise(_LEVELS)
)
YAML = {
    "aliases": ALIASES, "merges": MERGES, "itself": "a: &a [*a]", "depth": "a: " + "[" * 5000 + "]" * 5000,
    "flow": "a: " + "{a: " * 3000, "digits": "a: " + "9" * 5000, "sixties": "a: " + "1:" * 300 + "1",
    "date": "a: 2024-13-45", "tag": "a: !!python/object/apply:os.system [x]",
    "size": "a: [" + "0," * 200_000 + "]",
    "list": "[1]", "number": "3", "bytes": b"\xff\xfe\0", "tab": "a:\t- b: [", "two": "a: 1\n---\nb: 2",
    "key": "? [1]\n: 2",
    "pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n",
}  # fmt: skip


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", YAML)
def test_bad_yaml_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, MissingFileError)) as failure:
        read_yaml(write(tmp_path / "x.yaml", YAML[name]))
    assert "\n" not in str(failure.value)
    assert len(str(failure.value)) < 400 + len(str(tmp_path))
    assert ("git lfs pull" in str(failure.value)) == (name == "pointer")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" * 9, '{"a": ' + "9" * 5000 + "}", "[1]", b"\xff", "x" * (17 << 20)]
)
def test_bad_json_is_one_line(text: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failure:
        read_json(write(tmp_path / "x.json", text))
    assert "\n" not in str(failure.value)


PLAIN = "model:\n  class_path: VideoTokenizerStage  # caf\u00e9\n"
NO_TEXT = [
    (PLAIN.encode("utf-16"), "UTF-16; save it as UTF-8"),
    (PLAIN.encode("utf-16-le"), "UTF-16; save it as UTF-8"),
    (PLAIN.encode("utf-16-be"), "UTF-16; save it as UTF-8"),
    (
        "\ufeff".encode("utf-16-be") + "\u0418\u0433\u0440\u0430: 1".encode("utf-16-be"),
        "UTF-16; save it as UTF-8",
    ),
    (PLAIN.encode("utf-32-le"), "UTF-32; save it as UTF-8"),
    (PLAIN.encode("latin-1"), "another encoding (line 2 has b'\\xe9'); save it as UTF-8"),
    (
        "a: \u30bc\u30eb\u30c0\n".encode("shift-jis"),
        "another encoding (line 1 has b'\\x83'); save it as UTF-8",
    ),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary (byte "),
    (b"\x1f\x8b\x08\0\xff", "binary (byte "),
    (b"a: 1\n" + bytes(9), "binary (byte 5)"),
    (bytes(100), "binary (byte 0)"),
    (bytes(1), "binary (byte 0)"),
    (b"\xff\xfe\0", "binary (byte "),
]


@pytest.mark.parametrize("read", [read_yaml, read_json])
@pytest.mark.parametrize(("content", "told"), NO_TEXT)
def test_what_is_no_utf_8_is_named(
    read: Callable[[Path], object], content: bytes, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml is no UTF-8 text but ") as failure:
        read(write(tmp_path / "x.yaml", content))
    assert told in str(failure.value)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_a_folder_is_no_document(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        read(tmp_path)


def test_good_ones_are_read(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path / "x.yaml", "\ufeffa: &a [1, 2.5, ja]\nb: *a\n")) == {
        "a": [1, 2.5, "ja"],
        "b": [1, 2.5, "ja"],
    }
    assert read_yaml(write(tmp_path / "x.yaml", "# nothing\n")) == {}
    assert read_json(write(tmp_path / "x.json", '{"a": [1]}')) == {"a": [1]}


LIMITED = """
import resource, sys
from tinyworlds.commands.cli import main
import tinyworlds.fit.cli
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codes = [main(words.split()) for words in sys.argv[1:]]
print("GREW", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) >> 10, codes)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="counts memory as Unix does")
@pytest.mark.slow
def test_aliases_cost_no_command_its_memory(tmp_path: Path) -> None:
    write(tmp_path / "bomb.yaml", ALIASES)
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "mygame.yaml", "data_file: x.h5\n" + ALIASES)
    version = tmp_path / "run" / "video_tokenizer" / "version_0"
    (version / "checkpoints").mkdir(parents=True)
    write(version / "config.yaml", ALIASES)
    write(version / "checkpoints" / "last.ckpt", "x")
    commands = [
        "fit --config bomb.yaml", "validate --config=bomb.yaml", "train pong --config bomb.yaml",
        "play mygame", "train mygame",
        "predict --ckpt_path run/video_tokenizer/version_0/checkpoints/last.ckpt",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *commands],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stderr.splitlines()
    assert len(lines) == len(commands), done.stderr
    assert all(line.startswith("error: ") for line in lines)
    grew, codes = done.stdout.split("GREW ")[1].split(maxsplit=1)
    assert int(grew) < 200, "MiB"
    assert 0 not in json.loads(codes)
