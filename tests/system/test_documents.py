"""YAML and JSON that anybody may have written: one line and bounded memory, whoever reads them."""

import json
import subprocess
import sys
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
