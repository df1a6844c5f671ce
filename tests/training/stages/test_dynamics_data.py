"""What dynamics are trained on: partners and labels; codes are in test_code_cache."""

import shutil
from pathlib import Path

import pytest
from tiny_runs import train, words

from tinyworlds import DynamicsModel, load_network
from tinyworlds.checkpoints.load import fingerprint, read_checkpoint
from tinyworlds.commands.cli import main

TWO = "--trainer.max_steps=2"


@pytest.mark.slow
def test_the_checkpoint_names_its_partners_and_predicts(
    partners: Path, tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = train("dynamics", tiny_h5, partners, TWO)
    told = capsys.readouterr().out
    for stage in ("video_tokenizer", "latent_actions"):
        assert f"{stage}: using {partners / stage / 'version_0' / 'checkpoints' / 'last.ckpt'}" in told
    meta = read_checkpoint(version / "checkpoints" / "last.ckpt")["tinyworlds"]
    path = partners / "video_tokenizer" / "version_0" / "checkpoints" / "last.ckpt"
    assert meta["partners"]["tokenizer"] == {
        "path": str(path),
        "fingerprint": fingerprint(load_network(path)),
    }
    assert meta["stage"] == "dynamics"
    network = load_network(version / "checkpoints" / "last.ckpt")
    assert isinstance(network, DynamicsModel)
    assert network.num_patches == 16
    assert network.num_actions == 4
    out = tmp_path / "out"
    options = [
        f"--rollout.out={out}",
        "--rollout.horizon=3",
        "--rollout.num_clips=2",
        "--rollout.num_steps=2",
    ]
    assert main(["predict", *words("dynamics", tiny_h5, partners, *options, "--rollout.actions=0,1,1")]) == 0
    assert (out / "metrics.json").is_file()
    assert (out / "open_loop.png").is_file()


@pytest.mark.parametrize("actions", ["labels", "none"])
def test_without_an_action_model(actions: str, partners: Path, tiny_h5: Path) -> None:
    shutil.rmtree(partners / "latent_actions")
    version = train("dynamics", tiny_h5, partners, TWO, f"--model.actions={actions}")
    meta = read_checkpoint(version / "checkpoints" / "last.ckpt")["tinyworlds"]
    assert meta["actions"] == actions
    assert set(meta["partners"]) == {"tokenizer"}
    if actions == "labels":
        assert meta["network"]["num_actions"] == 4


def test_labels_that_are_not_there(partners: Path, frames_only_h5: Path) -> None:
    argv = words("dynamics", frames_only_h5, partners, TWO, "--model.actions=labels", "--data.fps=60")
    assert main(["fit", *argv]) == 1
