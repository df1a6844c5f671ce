"""The notebook runs from top to bottom, without network, and is kept without outputs."""

from pathlib import Path

import pytest
from paths import ROOT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

TOUR = ROOT / "notebooks" / "tinyworlds_tour.ipynb"


def test_outputs_are_cleared() -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the notebook machinery; the kernel's own do not arrive here
def test_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vizdoom")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the recording and the checkpoints go there
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel shows pictures in the notebook by itself
    notebook = nbformat.read(TOUR, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in shown for shown in outputs) >= 4
    assert (
        sum("<video" in shown.get("text/html", "") for shown in outputs) == 2
    )  # its own world, and a shipped one
