"""The short play test of a training: on a recording of a world that is known exactly."""

import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk
from lightning.pytorch import LightningModule, Trainer

import callbacks
from tinyworlds.data.module import H5DataModule
from tinyworlds.data.writer import FrameWriter
from tinyworlds.media.pixels import input_to_frames

pytestmark = pytest.mark.filterwarnings(
    "ignore:The '.*_dataloader' does not have many workers",
    "ignore:The number of training batches",
    "ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning",
    "ignore:.*isinstance.treespec, LeafSpec.*:DeprecationWarning",
)
NAMES = ("stay", "right", "left", "down")


class Deaf(FakeDynamics):
    def conditioning(self, action_ids, ids):
        return super().conditioning(None, ids)


class Stage(LightningModule):
    """Dynamics that learn nothing."""

    def __init__(self, network, actions):
        super().__init__()
        self.network, self.actions, self.action_kind = network, actions, actions
        self.tokenizer, self.action_model = FakeTokenizer(), FakeActions() if actions == "latent" else None
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return self.weight.square()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=0.1)


def recorded(path, episodes=40, length=25):
    frames, actions = walk(
        episodes, length, 0, torch.randint(4, (episodes, length), generator=torch.Generator().manual_seed(0))
    )
    with FrameWriter(path, 16, 16, 10.0, source="walk", action_names=NAMES) as writer:
        for clip, taken in zip(input_to_frames(frames).numpy(), actions, strict=True):
            for i, frame in enumerate(clip):
                writer.append(frame, int(taken[i]), 0.0, i == length - 1)
    return path


def fit(tmp_path, network, actions, validations=1):
    data = H5DataModule(
        str(recorded(tmp_path / "walk.h5")), split="episode", batch_size=8, steps_per_epoch=1, cache=False
    )
    quiet = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    test = callbacks.KeyReadBack(num_starts=3)
    trainer = Trainer(
        accelerator="cpu", callbacks=[test], max_epochs=validations, limit_val_batches=1, **quiet
    )
    trainer.fit(Stage(network, actions), data)
    return float(trainer.callback_metrics["val/key_read_back"])


@pytest.mark.parametrize("actions", ["labels", "latent"])
def test_keys_of_dynamics_that_listen_are_read_back(actions, tmp_path):
    assert fit(tmp_path, FakeDynamics(), actions) > 0.9


@pytest.mark.parametrize("actions", ["labels", "latent"])
@pytest.mark.slow
def test_dynamics_that_hear_nothing_are_at_chance_and_raise_the_alarm_once(actions, tmp_path):
    with pytest.warns(UserWarning, match="keys hardly do anything yet: 0.2.*by chance 0.25 would") as told:
        assert fit(tmp_path, Deaf(), actions, validations=3) == pytest.approx(0.25, abs=0.03)
    assert sum("keys hardly" in str(warning.message) for warning in told) == 1


def test_a_recording_that_is_too_short_is_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("tinyworlds.evaluation.play_test.preparing.RARE", 10**6)
    with pytest.raises(KeyError):  # nothing is logged
        fit(tmp_path, FakeDynamics(), "labels", validations=2)
    assert caplog.text.count("No keys are read back in this run") == 1
