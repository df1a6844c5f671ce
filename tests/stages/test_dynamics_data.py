"""What dynamics are trained on: partners, codes from a cache or on the fly, labels."""

from pathlib import Path

import pytest
import torch
from tiny_runs import curve, train, words

from tinyworlds import DynamicsModel, H5DataModule, load_network
from tinyworlds.checkpoints import fingerprint, read_checkpoint
from tinyworlds.cli import main
from tinyworlds.data import FrameFile, frames_to_input
from tinyworlds.stages.code_cache import build_codes, can_cache

TWO = "--trainer.max_steps=2"


def test_the_cache_holds_what_the_networks_say(partners: Path, tiny_h5: Path, tmp_path: Path) -> None:
    tokenizer = load_network(partners / "video_tokenizer" / "version_0" / "checkpoints" / "last.ckpt")
    action_model = load_network(partners / "latent_actions" / "version_0" / "checkpoints" / "last.ckpt")
    assert can_cache(tokenizer, action_model)
    codes = build_codes(FrameFile(tiny_h5), 2, tokenizer, action_model, tmp_path / "codes.h5", progress=False)
    data = H5DataModule(str(tiny_h5), num_frames=4, fps=7.5, batch_size=8, cache=False)
    data.setup("fit")
    assert data.strides == [2]
    data.use_codes({str(tiny_h5): codes})
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    frames = frames_to_input(batch["frames"])
    assert torch.equal(batch["ids"], tokenizer.encode(frames))
    assert torch.equal(batch["action_ids"], action_model.encode(frames))


def test_cached_training_equals_training_on_the_fly(partners: Path, tiny_h5: Path) -> None:
    cached = train("dynamics", tiny_h5, partners, "--trainer.max_steps=5")
    live = train("dynamics", tiny_h5, partners, "--trainer.max_steps=5", "--model.cache_codes=false")
    assert list((partners / "codes").glob("*.h5"))
    assert curve(cached) == pytest.approx(curve(live), rel=1e-5)


def test_v1_networks_are_not_cached(tiny_h5: Path, tmp_path: Path) -> None:
    for stage in ("video_tokenizer", "latent_actions", "dynamics"):
        train(stage, tiny_h5, tmp_path, TWO, "--model.architecture=v1")
    assert not (tmp_path / "codes").exists()


def test_the_checkpoint_names_its_partners(partners: Path, tiny_h5: Path) -> None:
    version = train("dynamics", tiny_h5, partners, TWO)
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


def test_partners_are_printed(partners: Path, tiny_h5: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("dynamics", tiny_h5, partners, TWO)
    out = capsys.readouterr().out
    for stage in ("video_tokenizer", "latent_actions"):
        assert f"{stage}: using {partners / stage / 'version_0' / 'checkpoints' / 'last.ckpt'}" in out


@pytest.mark.parametrize("actions", ["labels", "none"])
def test_without_an_action_model(actions: str, tiny_h5: Path, tmp_path: Path) -> None:
    train("video_tokenizer", tiny_h5, tmp_path, TWO)
    version = train("dynamics", tiny_h5, tmp_path, TWO, f"--model.actions={actions}")
    meta = read_checkpoint(version / "checkpoints" / "last.ckpt")["tinyworlds"]
    assert meta["actions"] == actions
    assert set(meta["partners"]) == {"tokenizer"}
    if actions == "labels":
        assert meta["network"]["num_actions"] == 4


def test_labels_that_are_not_there(tiny_h5: Path, frames_only_h5: Path, tmp_path: Path) -> None:
    train("video_tokenizer", tiny_h5, tmp_path, TWO)
    argv = words("dynamics", frames_only_h5, tmp_path, TWO, "--model.actions=labels", "--data.fps=60")
    assert main(["fit", *argv]) == 1


def test_predict_writes_pictures_and_figures(partners: Path, tiny_h5: Path, tmp_path: Path) -> None:
    train("dynamics", tiny_h5, partners, TWO)
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
