"""Windows, macOS and machines without this or that, simulated: real spawned processes, patched choices."""

import csv
import multiprocessing
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError, StorageError
from tinyworlds.nn import devices
from tinyworlds.system import cores, locks
from tinyworlds.system import files as atomic
from tinyworlds.training import strategies

SMALL = [
    "--data.batch_size=4", "--model.embed_dim=16", "--model.num_heads=2", "--model.hidden_dim=16",
    "--model.num_blocks=1", "--trainer.log_every_n_steps=1", "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false", "--pictures=false", "--trainer.max_steps=3",
]  # fmt: skip


def words(data: Path, run: Path, *more: str) -> list[str]:
    return [
        "fit",
        "--config",
        "pong_tokenizer.yaml",
        "--data.files",
        str(data),
        "--run",
        str(run),
        *SMALL,
        *more,
    ]


def run_python(code: str, folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script file, as a user does; the main module can be imported by spawned processes."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [sys.executable, str(script), *argv],
        capture_output=True, text=True, env=environment, timeout=300, check=False, cwd=folder,
    )  # fmt: skip


# ---- processes


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
    assert main(words(tiny_h5, tmp_path / "alone")) == 0
    done = run_python(code, tmp_path, method, *words(tiny_h5, tmp_path / "workers", "--data.num_workers=1"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert losses(tmp_path / "workers") == losses(tmp_path / "alone"), "workers read the same"


def losses(run: Path) -> list[str]:
    with (run / "video_tokenizer" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        return [row["train/loss"] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_windows_launcher_and_two_processes(tiny_h5: Path, tmp_path: Path) -> None:
    """Under Windows' launcher argv[0] names no file; the second process must start all the same."""
    code = """
        import sys
        from types import SimpleNamespace
        from tinyworlds.commands import cli, strategies

        if __name__ == "__main__":
            del sys.argv[0]
            strategies.sys = SimpleNamespace(platform="win32", argv=sys.argv)
            sys.exit(cli.main(sys.argv[1:]))
    """
    gone = tmp_path / "Scripts" / "tinyworlds"
    more = ["--trainer.devices=2", "--trainer.strategy=ddp_gloo"]
    done = run_python(code, tmp_path, str(gone), *words(tiny_h5, tmp_path / "run", *more))
    assert done.returncode == 0, done.stdout + done.stderr
    version = tmp_path / "run" / "video_tokenizer" / "version_0"
    assert (version / "checkpoints" / "last.ckpt").is_file()


@pytest.fixture
def as_windows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let `strategies` see Windows; returns its argv."""
    argv = [r"C:\venv\Scripts\tinyworlds", "fit"]
    monkeypatch.setattr(strategies, "sys", SimpleNamespace(platform="win32", argv=argv))
    return argv


def test_windows_needs_no_libuv_and_a_file_to_start(
    as_windows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USE_LIBUV", raising=False)
    strategies.prepare_windows()
    assert os.environ.pop("USE_LIBUV") == "0"
    assert Path(as_windows[0]).is_file()
    assert as_windows[0].endswith("__main__.py")
    monkeypatch.setenv("USE_LIBUV", "1")
    strategies.prepare_windows()
    assert os.environ["USE_LIBUV"] == "1", "what the user says stays"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_elsewhere_nothing_is_prepared(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USE_LIBUV", raising=False)
    argv = ["/usr/bin/tinyworlds"]
    monkeypatch.setattr(strategies, "sys", SimpleNamespace(platform=platform, argv=argv))
    strategies.prepare_windows()
    assert argv == ["/usr/bin/tinyworlds"]
    assert "USE_LIBUV" not in os.environ


# ---- devices


@pytest.fixture
def two_gpus_without_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)


@pytest.mark.usefixtures("two_gpus_without_nccl")
def test_gloo_or_one_clear_line_without_nccl() -> None:
    assert strategies.pick_strategy("ddp", "gpu", 2) == strategies.GLOO
    assert strategies.pick_strategy("auto", "auto", "auto") == strategies.GLOO
    assert strategies.pick_strategy("auto", "gpu", 1) == "auto"
    with pytest.raises(ConfigError, match="fsdp needs NCCL"):
        strategies.pick_strategy("fsdp", "gpu", 2)
    assert isinstance(strategies.pick_strategy("fsdp", "cpu", 2), strategies.FullySharded)


@pytest.fixture
def as_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("as_mac")
def test_apples_gpu_only_when_it_is_named() -> None:
    assert strategies.pick_accelerator("auto") == strategies.pick_accelerator("gpu") == "cpu"
    with pytest.raises(ConfigError, match="float64"):
        strategies.pick_accelerator("mps")
    assert devices.pick_device("auto").type == "cpu"
    assert devices.pick_device("mps").type == "mps"
    assert not devices.has_fast_bf16(torch.device("mps"))
    assert not devices.use_bf16(torch.device("mps"), "auto")


def test_without_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for accelerator in ("auto", "cpu", "gpu", object()):
        assert strategies.pick_accelerator(accelerator) is accelerator
    with pytest.raises(ConfigError, match="--device cpu"):
        devices.pick_device("mps")


@pytest.mark.usefixtures("as_mac")
def test_training_on_a_mac_takes_the_cpu(tiny_h5: Path, tmp_path: Path) -> None:
    argv = [word for word in words(tiny_h5, tmp_path) if "accelerator" not in word]
    assert main(argv) == 0
    assert main([*argv, "--trainer.accelerator=mps"]) == ConfigError.exit_code


def test_cores_are_counted_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores.num_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.num_cores() == 1


@pytest.mark.slow
def test_compile_without_triton_and_without_a_compiler(tmp_path: Path) -> None:
    """What runs then is the network as it is, after one warning."""
    code = """
        import sys, warnings
        sys.modules["triton"] = None
        import torch
        from tinyworlds import VideoTokenizer
        from tinyworlds.nn.compiling import compile_network

        network = VideoTokenizer(frame_size=16, embed_dim=16, num_heads=2, hidden_dim=16, num_blocks=1).eval()
        frames = torch.rand(1, 4, 3, 16, 16)
        with torch.no_grad():
            expected = network.encode(frames)
            compile_network(network)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = network.encode(frames)
        assert torch.equal(found, expected)
        assert any("runs uncompiled" in str(w.message) for w in caught), [str(w.message) for w in caught]
    """
    nowhere = str(tmp_path / "nowhere")
    done = run_python(
        code, tmp_path, CXX=nowhere, PATH=nowhere, TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache")
    )
    assert done.returncode == 0, done.stderr


# ---- files


@pytest.fixture
def held_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let renaming fail three times, as on Windows while a reader has the target open; counts attempts."""
    attempts: list[int] = []

    def replace(source: Path, target: Path, really=os.replace) -> None:
        attempts.append(1)
        if len(attempts) <= 3:
            raise PermissionError(13, "Access is denied")
        really(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "replace", replace)
        yield attempts


def test_windows_waits_for_readers_of_the_old_file(
    held_for_a_moment: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="win32"))
    atomic.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    assert len(held_for_a_moment) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_held_for_good_is_one_line(
    held_for_a_moment: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(atomic, "_WINDOWS_PATIENCE_S", -1)
    with pytest.raises(StorageError, match="close what has it open"):
        atomic.write_text(tmp_path / "a.txt", "new")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


def test_posix_does_not_wait_for_permission(held_for_a_moment: list[int], tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("is Windows")
    with pytest.raises(StorageError, match="Access is denied"):
        atomic.write_text(tmp_path / "a.txt", "new")
    assert len(held_for_a_moment) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_a_replaced_file_is_readable_by_whom_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_locks_where_there_is_no_fcntl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: one byte is locked, and a lock that is taken is a PermissionError."""
    holders = iter([PermissionError(13, "taken"), PermissionError(13, "taken"), None])
    calls = []

    def locking(number: int, mode: int, count: int) -> None:
        calls.append((mode, count))
        error = next(holders)
        if error:
            raise error

    fake = types.ModuleType("msvcrt")
    fake.locking, fake.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    source = Path(locks.__file__).read_text(encoding="utf-8")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    windows: dict = {"__name__": "windows_locks"}
    exec(compile(source, "locks.py", "exec"), windows)
    windows["_POLL_SECONDS"] = 0.0
    waited = []
    with windows["locked"](tmp_path / "lock", "testing", lambda: waited.append(1)):
        pass
    assert calls == [(2, 1)] * 3
    assert waited == [1]
