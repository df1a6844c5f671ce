"""Training where processes start in other ways: spawned workers, Windows' launcher, a Mac."""

import multiprocessing
from pathlib import Path

import pytest
from child_processes import run_python
from tiny_runs import curve, words

from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError


def tokenizer(data: Path, run: Path, *more: str) -> list[str]:
    return ["fit", *words("video_tokenizer", data, run, "--trainer.max_steps=3", *more)]


def losses(run: Path) -> list[float]:
    return curve(run / "video_tokenizer" / "version_0")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_training_with_workers_that_inherit_nothing(method: str, tiny_h5: Path, tmp_path: Path) -> None:
    """spawn is the way of Windows and macOS, forkserver that of Linux since Python 3.14."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    code = """
        import multiprocessing, sys
        from tinyworlds.commands.cli import main

        if __name__ == "__main__":
            multiprocessing.set_start_method(sys.argv[1])
            sys.exit(main(sys.argv[2:]))
    """
    assert main(tokenizer(tiny_h5, tmp_path / "alone")) == 0
    done = run_python(
        code, tmp_path, method, *tokenizer(tiny_h5, tmp_path / "workers", "--data.num_workers=1")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert losses(tmp_path / "workers") == losses(tmp_path / "alone"), "workers read the same"


@pytest.mark.slow
def test_the_windows_launcher_and_two_processes(tiny_h5: Path, tmp_path: Path) -> None:
    """Under Windows' launcher argv[0] names no file; the second process must start all the same."""
    code = """
        import sys
        from types import SimpleNamespace
        from tinyworlds.commands import cli
        from tinyworlds.training import strategies

        if __name__ == "__main__":
            del sys.argv[0]
            strategies.sys = SimpleNamespace(platform="win32", argv=sys.argv)
            sys.exit(cli.main(sys.argv[1:]))
    """
    gone = tmp_path / "Scripts" / "tinyworlds"
    more = ["--trainer.devices=2", "--trainer.strategy=ddp_gloo"]
    done = run_python(code, tmp_path, str(gone), *tokenizer(tiny_h5, tmp_path / "run", *more))
    assert done.returncode == 0, done.stdout + done.stderr
    version = tmp_path / "run" / "video_tokenizer" / "version_0"
    assert (version / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.usefixtures("as_mac")
def test_training_on_a_mac_takes_the_cpu(tiny_h5: Path, tmp_path: Path) -> None:
    argv = [word for word in tokenizer(tiny_h5, tmp_path) if "accelerator" not in word]
    assert main(argv) == 0
    assert main([*argv, "--trainer.accelerator=mps"]) == ConfigError.exit_code
