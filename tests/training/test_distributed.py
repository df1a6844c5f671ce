"""Several processes, through torchrun and as SLURM starts them: one training, one run folder, one cache."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_runs import curve, words

from tinyworlds import load_network
from tinyworlds.checkpoints.load import read_checkpoint

pytestmark = pytest.mark.slow

FAST = ("--trainer.max_steps=4", "--trainer.val_check_interval=2", "--checkpoint.every_n_steps=2")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "--", "tinyworlds")
PLAIN = (sys.executable, "-m", "tinyworlds")
STARTED: list[subprocess.Popen] = []
PATIENCE_S = 420  # torchrun itself waits up to 300 for the other machines when its own part is done


def start(launcher, *words: str, **variables: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*launcher, *words], stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    """Ends what a test that failed left running; later tests would be blamed for it."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def output(process: subprocess.Popen, code: int | None = 0) -> str:
    try:
        text, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
        raise AssertionError(f"still running after {PATIENCE_S} s; it said: {text}") from None
    assert code is None or process.returncode == code, text
    return text


def fit(stage: str, data, run: Path, *more: str) -> list[str]:
    return ["fit", *words(stage, data, run, *FAST, *more)]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def only_version(run: Path, stage: str) -> Path:
    versions = list((run / stage).iterdir())
    assert [path.name for path in versions] == ["version_0"], "all processes share one run folder"
    names = sorted(path.name for path in (versions[0] / "checkpoints").iterdir())
    assert names == ["best.ckpt", "last.ckpt", "step_2.ckpt", "step_4.ckpt"]
    return versions[0]


@pytest.fixture
def recordings(make_h5, tmp_path) -> Path:
    """A folder with a file and a folder with another."""
    folder = tmp_path / "sprites"
    (folder / "more").mkdir(parents=True)
    make_h5("a_frames.h5").rename(folder / "a_frames.h5")
    make_h5("b_frames.h5", seed=1).rename(folder / "more" / "b_frames.h5")
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "ddp_gloo", "fsdp"])
def test_two_processes_on_one_cpu(strategy, tiny_h5, tmp_path):
    more = ["--trainer.devices=2", f"--trainer.strategy={strategy}"]
    output(start(PLAIN, *fit("video_tokenizer", tiny_h5, tmp_path, *more)))
    version = only_version(tmp_path, "video_tokenizer")
    whole, checkpoints = curve(version), version / "checkpoints"
    assert len(whole) == 4
    assert load_network(checkpoints / "last.ckpt").config["embed_dim"] == 16, "one whole file"
    if strategy != "fsdp":
        return  # going on is tried below for them
    more.append(f"--ckpt_path={checkpoints / 'step_2.ckpt'}")
    output(start(PLAIN, *fit("video_tokenizer", tiny_h5, tmp_path, *more)))
    assert curve(version) == pytest.approx(whole, rel=1e-5)


def test_torchrun_learns_what_one_process_learns(recordings, tmp_path):
    """Two processes with batches of 4 against one with 8; their files come from an address."""
    copies = {"TINYWORLDS_CACHE": str(tmp_path / "copies")}
    one, two = tmp_path / "one", tmp_path / "two"
    deal = "--data.split=old_time"  # an even number of validation windows: none is counted twice
    more = ["--model.architecture=v1", "--data.batch_size=4", "--trainer.devices=2", deal]
    told = output(start(TORCHRUN, *fit("video_tokenizer", recordings.as_uri() + "/", two, *more), **copies))
    assert len(list((tmp_path / "copies").rglob("*_frames.h5"))) == 2, told
    whole = ["--model.architecture=v1", "--data.batch_size=8", deal]
    output(start(PLAIN, *fit("video_tokenizer", recordings, one, *whole)))
    shared, alone = only_version(two, "video_tokenizer"), only_version(one, "video_tokenizer")
    assert curve(shared, "val/loss") == pytest.approx(curve(alone, "val/loss"), rel=1e-5)
    assert len(curve(shared, "train/loss")) == 4, "one process writes"
    weights, expected = (
        read_checkpoint(version / "checkpoints" / "last.ckpt")["state_dict"] for version in (shared, alone)
    )
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4, msg=name)
    # dynamics on its codes, without actions, for which v1 has weights that then have no gradient
    told = output(start(TORCHRUN, *fit("dynamics", recordings, two, "--model.actions=none", *more)))
    assert all(loss > 0 for loss in curve(only_version(two, "dynamics"), "train/loss"))
    assert told.count("encoding a_frames.h5") == told.count("encoding b_frames.h5") == 1, "by one of the two"
    assert len(list(recordings.rglob("*.codes-*.h5"))) == 2
    assert not list(recordings.rglob("*.part"))


def test_two_machines_through_torchrun(recordings, tmp_path):
    port = free_port()
    nodes = ["--trainer.num_nodes=2", "--trainer.devices=1", "--data.batch_size=4"]
    processes = [
        start(
            (*TORCHRUN[:3], "--nnodes=2", f"--node-rank={rank}", "--nproc-per-node=1",
             "--master-addr=127.0.0.1", f"--master-port={port}", *TORCHRUN[4:]),
            *fit("video_tokenizer", recordings, tmp_path / "run", *nodes),
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in processes:
        output(process)
    assert len(curve(only_version(tmp_path / "run", "video_tokenizer"), "train/loss")) == 4


def slurm(rank: int, port: str) -> dict[str, str]:
    """What srun sets for `--nodes 2 --ntasks-per-node 1`, both on this machine."""
    return {
        "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "world", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "127.0.0.1", "SLURM_LOCALID": "0",
        "SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SLURM")
def test_two_machines_through_slurm(recordings, tmp_path):
    """Until the signal that `#SBATCH --signal=INT@300` sends; submitted again, training goes on."""
    nodes = ["--trainer.num_nodes=2", "--trainer.devices=1", "--data.batch_size=4"]
    arguments = fit("video_tokenizer", recordings, tmp_path / "run", *nodes)
    endless, port = ["--trainer.max_steps=1000000", "--checkpoint.every_n_steps=1000000"], free_port()
    processes = [start(PLAIN, *arguments, *endless, **slurm(rank, port)) for rank in range(2)]
    version = tmp_path / "run" / "video_tokenizer" / "version_0"
    while not (version / "metrics.csv").exists() and all(process.poll() is None for process in processes):
        time.sleep(0.1)
    for process in processes:
        process.send_signal(signal.SIGINT)
    told = [output(process, code=130) for process in processes]
    assert all("go on with: tinyworlds fit" in text for text in told)
    last = version / "checkpoints" / "last.ckpt"
    done = read_checkpoint(last)["global_step"]
    assert done > 0
    port, more = free_port(), [f"--trainer.max_steps={done + 2}", "--ckpt_path=last"]
    for process in [start(PLAIN, *arguments, *more, **slurm(rank, port)) for rank in range(2)]:
        output(process)
    assert [path.name for path in version.parent.iterdir()] == ["version_0"]
    assert read_checkpoint(last)["global_step"] == done + 2
    assert curve(version, "step")[-1] == done + 1, "steps count from 0"


SCRIPT = """
    import json, sys, torch
    from lightning.pytorch import LightningModule, Trainer
    from tinyworlds.data import H5DataModule

    files, folder, steps, processes, resumed = sys.argv[1:]

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
            with open(f"{folder}/{steps}-{self.global_rank}.json", "w") as file:
                json.dump(self.seen, file)

    trainer = Trainer(
        max_steps=int(steps), max_epochs=-1, accelerator="cpu", devices=int(processes), limit_val_batches=0,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )
    data = H5DataModule(files, batch_size=4, steps_per_epoch=5, seed=2)
    trainer.fit(Notes(), datamodule=data, ckpt_path=None if resumed == "-" else resumed, weights_only=True)
    trainer.save_checkpoint(f"{folder}/{steps}.ckpt")
"""


def test_resuming_on_fewer_processes_goes_on_with_the_next_window(recordings, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    arguments = [str(script), str(recordings), str(tmp_path)]
    run = (sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node=2")
    output(start(run, *arguments, "8", "2", "-"))  # in the middle of the second epoch
    told = output(start((sys.executable,), *arguments, "14", "1", str(tmp_path / "8.ckpt")))
    assert "world_size was 2 and is 1; an update sees 4 windows, not 8; in this pass none comes twice" in told
    first, second, rest = (
        json.loads((tmp_path / name).read_text()) for name in ("8-0.json", "8-1.json", "14-0.json")
    )
    assert (len(first), len(second), len(rest)) == (8, 8, 6)
    drawn = [window for pair in zip(first, second, strict=True) for part in pair for window in part]
    drawn += [window for part in rest for window in part]
    assert len(drawn) == len(set(drawn)) == 88, "no window twice in a pass"
