"""Which strategy and accelerator training takes, on Windows, on a Mac, without NCCL."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tinyworlds.errors import ConfigError
from tinyworlds.training import strategies


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


@pytest.fixture
def two_gpus_without_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)


@pytest.mark.usefixtures("two_gpus_without_nccl")
def test_gloo_or_one_clear_line_without_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    assert strategies.pick_strategy("ddp", "gpu", 2) == strategies.GLOO == "ddp_gloo"
    assert strategies.pick_strategy("ddp", "auto", "auto") == strategies.GLOO
    assert strategies.pick_strategy("auto", "auto", "auto") == strategies.GLOO
    assert strategies.pick_strategy("auto", "gpu", 1) == "auto"
    with pytest.raises(ConfigError, match="fsdp needs NCCL"):
        strategies.pick_strategy("fsdp", "gpu", 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    assert strategies.pick_strategy("ddp", "auto", "auto") == "ddp"


@pytest.mark.usefixtures("two_gpus_without_nccl")
def test_a_cpu_keeps_what_was_asked_for() -> None:
    assert strategies.pick_strategy("ddp", "cpu", 2) == "ddp"
    assert isinstance(strategies.pick_strategy("fsdp", "cpu", 2), strategies.FullySharded)


@pytest.mark.usefixtures("as_mac")
def test_apples_gpu_only_when_it_is_named() -> None:
    assert strategies.pick_accelerator("auto") == strategies.pick_accelerator("gpu") == "cpu"
    with pytest.raises(ConfigError, match="float64"):
        strategies.pick_accelerator("mps")


def test_without_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for accelerator in ("auto", "cpu", "gpu", object()):
        assert strategies.pick_accelerator(accelerator) is accelerator
