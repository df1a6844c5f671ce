"""Fixtures that many tests share: small gameplay files in the true on-disk format, tiny runs, one thread."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from beside import beside  # noqa: F401
from fake_stages import stages  # noqa: F401
from gameplay_files import write_gameplay, write_public_style
from stage_fixtures import error_line, partners, trained_partners  # noqa: F401
from x_server import x_server


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """What runs in the background is told to ignore SIGINT, and so would every process that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors are tiny here: more threads only wait for each other, most of all beside child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def _environment(_one_thread: None, _own_state_folder: None) -> dict[str, str]:
    """The environment that every test finds."""
    return dict(os.environ)


@pytest.fixture(autouse=True)
def _own_environment(_environment: dict[str, str]) -> Iterator[None]:
    """What a test, or a fixture of many, leaves there, such as a driver for windows, is not for the next."""
    _set_environment(_environment)
    yield
    _set_environment(_environment)


def _set_environment(wanted: dict[str, str]) -> None:
    own = {"PYTEST_CURRENT_TEST"}  # pytest's, of each test
    for name in {*os.environ} - {*wanted} - own:
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if name not in own})


@pytest.fixture(autouse=True)
def _own_wandb_run() -> Iterator[None]:
    """A W&B run that a test began ends with it: the next one in its process would be refused."""
    yield
    wandb = sys.modules.get("wandb")
    if getattr(wandb, "run", None) is not None:
        wandb.finish()


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """A test draws the same numbers whichever ran before it in its process."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests name as data is not what the person who runs them has worked with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def make_h5(tmp_path: Path) -> Callable[..., Path]:
    """Factory of full-schema files: name, num_episodes, episode_length, size, fps, seed."""

    def make(name: str = "tiny_frames.h5", **settings: float) -> Path:
        return write_gameplay(tmp_path / name, **settings)

    return make


@pytest.fixture
def tiny_h5(make_h5: Callable[..., Path]) -> Path:
    """300 frames of 16x16 at 15 fps: ten episodes, true actions (4), rewards."""
    return make_h5()


@pytest.fixture
def tiny_h5_64(make_h5: Callable[..., Path]) -> Path:
    """300 frames of 64x64 at 15 fps: ten episodes, true actions (4), rewards."""
    return make_h5("tiny64_frames.h5", size=64)


@pytest.fixture
def frames_only_h5(tmp_path: Path) -> Path:
    """300 frames of 16x16 in the layout of public files: nothing but `frames`."""
    return write_public_style(tmp_path / "public_frames.h5")


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X display that stays up, whoever comes and goes."""
    with x_server("-noreset") as name:
        yield name


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, on a machine without a display."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def as_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch see Apple's GPU and no other."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
