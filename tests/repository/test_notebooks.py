"""The notebooks run from top to bottom, and are kept with what they showed."""

import ast
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

import tinyworlds

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# a command that fails ends the notebook, which a person would see and a program would not
FAILING_COMMANDS_FAIL = """
shell = get_ipython()
plain_system = shell.system


def system(command):
    plain_system(command)
    assert shell.user_ns["_exit_code"] == 0, command


shell.system = system
"""


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def kinds(cell: Any) -> set[str]:
    """What a cell shows: text, pictures, videos."""
    return {kind for output in cell.outputs for kind in output.get("data", {"text": ""})}


def python_of(cell: Any) -> ast.Module:
    lines = [re.sub(r"^(\s*)[!%].*", r"\1pass", line) for line in cell.source.splitlines()]
    return ast.parse("\n".join(lines))


def test_there_is_one_to_play_and_one_for_a_video() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["play_and_look", "video_to_world"]


@every_notebook
def test_outputs_are_kept(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)], "run once, from the top"
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    told = "".join(
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain")) for output in outputs
    )
    assert not re.search(r"/(tmp|home|root|work|Users)/|site-packages", told), "a path of somebody's machine"
    assert path.stat().st_size < 4e6


@every_notebook
def test_only_public_names_are_used(path: Path) -> None:
    for cell in code_cells(path):
        for node in ast.walk(python_of(cell)):
            if isinstance(node, ast.Import):
                assert not [name for name in node.names if name.name.startswith("tinyworlds.")]
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tinyworlds"):
                assert node.module == "tinyworlds"
                assert {name.name for name in node.names} <= {*tinyworlds.__all__}
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), node.attr


@every_notebook
def test_it_opens_in_colab(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    words = notebook.cells[0].source
    place = f"tinyworlds/tinyworlds/blob/main/notebooks/{path.name}"
    assert f"(https://colab.research.google.com/github/{place})" in words
    install = code_cells(path)[0].source
    assert "!git clone" in install, "nothing is there at first"
    assert '%pip install --quiet "./tinyworlds[games]"' in install


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the notebook machinery; the kernel's own do not arrive here
@every_notebook
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vizdoom")
    monkeypatch.setenv("PLAYED", "1")
    monkeypatch.setenv("MINUTES", "1")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel shows pictures in the notebook by itself
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FAILING_COMMANDS_FAIL))
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=where).execute()
    shown = [kinds(cell) for cell in notebook.cells[1:] if cell.cell_type == "code"]
    assert shown == [kinds(cell) for cell in code_cells(path)], "as kept"
