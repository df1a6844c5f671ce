"""Reading from worker processes, and memory that stays flat whatever the size of the file."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from torch.utils.data import DataLoader

from tinyworlds.data import H5DataModule
from tinyworlds.data.dataset import already_a_batch


@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False])
def test_spawned_workers_read_the_same_as_this_process(tiny_h5, cache):
    """As on Windows and macOS: everything is pickled, nothing is inherited."""
    module = H5DataModule(str(tiny_h5), batch_size=8, cache=cache)
    module.prepare_data()
    module.setup("fit")
    dataset = module.train_dataloader().dataset
    dataset[0]  # opens the handles that must not travel
    options = {"batch_size": 16, "collate_fn": already_a_batch}
    expected = list(DataLoader(dataset, **options))
    spawned = list(DataLoader(dataset, num_workers=2, multiprocessing_context="spawn", **options))
    assert len(spawned) == len(expected)
    for ours, theirs in zip(expected, spawned, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


DDP_SCRIPT = """
    import json, sys, torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.strategies import DDPStrategy
    from tinyworlds.data import H5DataModule

    class Notes(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = torch.nn.Linear(1, 1), []

        def training_step(self, batch, batch_idx):
            self.seen.append(batch["index"].tolist())
            return self.layer(batch["frames"].mean().reshape(1, 1)).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

        def on_fit_end(self):
            open(f"{sys.argv[2]}/{self.global_rank}.json", "w").write(json.dumps(self.seen))

    devices, batch_size = int(sys.argv[3]), int(sys.argv[4])
    Trainer(
        max_steps=12, max_epochs=-1, accelerator="cpu", devices=devices, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        strategy=DDPStrategy(process_group_backend="gloo") if devices > 1 else "auto",
    ).fit(Notes(), datamodule=H5DataModule(sys.argv[1], batch_size=batch_size, steps_per_epoch=5, seed=2))
"""


@pytest.mark.slow
def test_two_processes_see_together_what_one_sees(tiny_h5, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(DDP_SCRIPT))
    seen = {}
    for devices, batch_size in [(1, 8), (2, 4)]:
        folder = tmp_path / str(devices)
        folder.mkdir()
        command = [sys.executable, script, tiny_h5, folder, str(devices), str(batch_size)]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        seen[devices] = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(devices)]
    together = [first + second for first, second in zip(*seen[2], strict=True)]
    assert together == seen[1][0]
    assert len(together) == 12


def big_file(path: Path, public: bool) -> None:
    """300 MB of frames that compress well."""
    count, size = 25_000, 64
    ours = {"chunks": (16, size, size, 3), "compression": "gzip", "compression_opts": 1}
    with h5py.File(path, "w") as file:
        layout = {"chunks": True, "compression": "lzf"} if public else ours
        frames = file.create_dataset("frames", (count, size, size, 3), np.uint8, **layout)
        step = frames.chunks[0] * 4
        for start in range(0, count, step):
            rows = min(step, count - start)
            levels = (np.arange(start, start + rows) % 251).astype(np.uint8)
            frames[start : start + rows] = np.repeat(levels, size * size * 3).reshape(rows, size, size, 3)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(("public", "cache"), [(False, False), (True, True)])
def test_memory_stays_flat(tmp_path, public, cache):
    path = tmp_path / "big.h5"
    big_file(path, public)
    code = f"""
        from pathlib import Path
        from tinyworlds.data import H5DataModule

        def peak():
            lines = Path("/proc/self/status").read_text().splitlines()
            return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

        import torch, h5py, numpy
        torch.zeros(8, 4, 64, 64, 3).numpy()
        before = peak()
        module = H5DataModule({str(path)!r}, batch_size=8, fps=60, steps_per_epoch=250, cache={cache})
        module.prepare_data()
        module.setup("fit")
        for batch in module.train_dataloader():
            first = batch["frames"][:, 0, 0, 0, 0]
        for batch in module.val_dataloader():
            pass
        print(peak() - before)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    grown_mb = float(result.stdout)
    assert grown_mb < (100 if cache else 50)  # unpacking holds a block of frames for a moment
