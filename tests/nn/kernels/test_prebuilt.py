"""Kernels of a wheel serve where there is no compiler, those for this machine's instructions only."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tinyworlds.nn.kernels import gating, loading, prebuilt

needs_compiler = pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel holds, of one kernel only."""
    folder = tmp_path_factory.mktemp("wheel") / "compiled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prebuilt, "HEADS", {})
        patch.setattr(prebuilt, "PLAIN", ("gating",))
        patch.setattr(prebuilt, "ONLY_X86", ())
        prebuilt.build(folder)
    return folder


@pytest.fixture(autouse=True)
def _fresh_kernels() -> Iterator[None]:
    gating._kernel.cache_clear()
    yield
    gating._kernel.cache_clear()


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYWORLDS_NATIVE", "prebuilt")


@needs_compiler
def test_it_serves_where_there_is_no_compiler(
    wheel: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not gating.has_gate_kernel()
    gating._kernel.cache_clear()
    monkeypatch.setattr(prebuilt, "FOLDER", wheel)
    if torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "NEON"):
        assert gating.has_gate_kernel()
        joined = torch.randn(5, 22, requires_grad=True)
        gate, value = joined.chunk(2, dim=-1)
        torch.testing.assert_close(gating.gate_natively(joined), F.silu(gate) * value)


@needs_compiler
def test_it_serves_where_the_compiler_fails(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(loading, "store_library", fail)
    monkeypatch.setattr(loading, "find_library", lambda _: None)
    with pytest.warns(UserWarning, match="No kernel from gating.cpp, slower code takes its place: no room"):
        assert loading.load_kernel("gating", {}) is None
    monkeypatch.setattr(prebuilt, "FOLDER", wheel)
    if torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2"):
        assert loading.load_kernel("gating", {}) is not None


def made_up(folder: Path, *levels: str) -> None:
    ending = ".dll" if sys.platform == "win32" else ".so"
    for level in levels:
        (folder / f"transformer_pass-CHANNELS8-{level}{ending}").touch()


@pytest.mark.parametrize(
    ("machine", "told", "chosen"),
    [
        ("x86_64", "AVX512", "AVX512"),
        ("AMD64", "AVX2", "AVX2"),
        ("x86_64", "DEFAULT", None),  # nothing of a better processor is run on an older one
        ("x86_64", "NO AVX", None),
        ("arm64", "DEFAULT", "NEON"),
        ("aarch64", "SVE256", "NEON"),
        ("riscv64", "DEFAULT", None),
    ],
)
def test_the_instructions_are_this_machines(
    machine: str, told: str, chosen: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(tmp_path, "AVX512", "AVX2", "NEON")
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: told)
    found = prebuilt.find_prebuilt("transformer_pass", {"CHANNELS": 8})
    assert (found and found.stem) == (chosen and f"transformer_pass-CHANNELS8-{chosen}")
    assert prebuilt.find_prebuilt("transformer_pass", {"CHANNELS": 6}) is None


def test_a_better_processor_takes_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(tmp_path, "AVX2")
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    found = prebuilt.find_prebuilt("transformer_pass", {"CHANNELS": 8})
    assert found is not None


def test_a_damaged_one_means_slower(
    tmp_path: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(tmp_path, "AVX512", "AVX2", "NEON")
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.warns(UserWarning, match="No kernel from the wheel's transformer_pass, slower code"):
        assert loading.load_kernel("transformer_pass", {"CHANNELS": 8}) is None


def test_turned_off_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")
    monkeypatch.setattr(loading, "find_prebuilt", lambda *_: pytest.fail("was looked for"))
    assert loading.load_kernel("gating", {}) is None


@pytest.mark.parametrize(("machine", "system", "count"), [("x86_64", "linux", 15), ("arm64", "darwin", 13)])
def test_what_a_wheel_has(machine: str, system: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "platform", system)
    kernels = [(name, *constants.values()) for name, constants in prebuilt.all_kernels()]
    assert len({*kernels}) == len(kernels) == count
    assert ("transformer_pass", 32) in kernels
    assert (("token_map",) in kernels) == (machine == "x86_64")


def test_kernels_of_training_want_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert {name for name, _ in prebuilt.all_kernels()} == {*prebuilt.OF_PLAY}


def test_every_prebuilt_kernel_has_its_source() -> None:
    sources = {path.stem for path in loading.SOURCES.glob("*.cpp")} - {"wasm"}  # which is for pages
    assert {*prebuilt.HEADS, *prebuilt.PLAIN, *prebuilt.ONLY_X86} == sources
