"""The kernels for pages come compiled with the package, from the sources that lie beside them."""

import pytest

from tinyworlds.nn.kernels import wasm


def test_the_files_were_made_from_the_sources_as_they_are():
    assert wasm.is_current(), (
        "build them anew: python -c 'from tinyworlds.nn.kernels.wasm import build; build()'"
    )


def test_files_are_small_and_ask_the_page_for_nothing():
    for width in wasm.HEAD_WIDTHS:
        for file in wasm.wasm_files(width):
            data = file.read_bytes()
            assert data[:4] == b"\0asm"
            assert len(data) < 40_000
            assert b"wasi" not in data


@pytest.mark.slow
def test_files_are_what_the_compiler_makes_of_the_sources(tmp_path):
    pytest.importorskip("ziglang", reason="the compiler of pages' kernels (extra web)")
    wasm.build(tmp_path)
    for width in wasm.HEAD_WIDTHS:
        for file in wasm.wasm_files(width):
            assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name
