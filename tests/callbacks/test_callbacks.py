import json
from pathlib import Path

import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

import callbacks
from callbacks.code_usage import evenness
from callbacks.reconstruction_ab import expected_domain, feed
from tinyworlds.data.held_out import Clips
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, open_loop

pytestmark = pytest.mark.filterwarnings(
    "ignore:The '.*_dataloader' does not have many workers",
    "ignore:The number of training batches",
    "ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning",
    "ignore:.*isinstance.treespec, LeafSpec.*:DeprecationWarning",
    "ignore:.*does not have a .logger.*",
)


class WalkData(LightningDataModule):
    """Batches as the real data module makes them, after the transfer to the device."""

    batch_size = 2
    fps = 10.0

    def _loader(self):
        frames, actions = walk(6, 12)
        rows = [{"frames": frames[i], "actions": actions[i]} for i in range(6)]
        return DataLoader(rows, batch_size=self.batch_size)

    train_dataloader = val_dataloader = test_dataloader = predict_dataloader = _loader


class FakeStage(LightningModule):
    """A stage with a network of ours that learns nothing."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return self.weight.square()

    def validation_step(self, batch, batch_idx):
        pass

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=0.1)


class FakeDynamicsStage(FakeStage):
    actions = "latent"
    options = RolloutOptions(horizon=3)

    def __init__(self):
        super().__init__(FakeDynamics())
        self._partners = (FakeTokenizer(), FakeActions())
        self.tokenizer, self.action_model = self._partners

    def codes(self, batch):
        return self.tokenizer.encode(batch["frames"]), self.action_model.encode(batch["frames"])

    def predict_step(self, batch, batch_idx):
        frames = batch["frames"][: self.options.num_clips]
        return open_loop(self.tokenizer, self.action_model, self.network, frames, self.options)


@pytest.fixture
def make_trainer(tmp_path):
    def make(*used, **settings):
        return Trainer(
            accelerator="cpu",
            callbacks=list(used),
            logger=settings.pop("logger", CSVLogger(tmp_path, name="walk")),
            max_epochs=settings.pop("max_epochs", 2),
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            **settings,
        )

    return make


def pictures(trainer):
    return {path.name for path in (Path(trainer.log_dir) / "pictures").iterdir()}


def test_names_are_imported_on_first_use():
    assert callbacks.__all__ == sorted(
        ["CodeUsage", "KeyReadBack", "OpenLoopClip", "OpenLoopWriter", "ReconstructionAB", "Throughput"]
    )
    assert callbacks.Throughput.__name__ == "Throughput"
    with pytest.raises(AttributeError, match="no attribute 'Throughputt'"):
        _ = callbacks.Throughputt


def test_reconstruction_is_drawn_in_both_ranges(make_trainer):
    trainer = make_trainer(callbacks.ReconstructionAB())
    trainer.fit(FakeStage(FakeTokenizer()), WalkData())
    assert pictures(trainer) == {
        "reconstruction_minus1_1_step_3.png", "reconstruction_minus1_1_step_6.png",
        "reconstruction_0_1_step_3.png", "reconstruction_0_1_step_6.png", "reconstruction_ab.json",
    }  # fmt: skip
    content = json.loads((Path(trainer.log_dir) / "pictures" / "reconstruction_ab.json").read_text())
    assert content["statement"].startswith("The tokenizer expects [-1, 1]")
    signed, unsigned = content["feeds"]
    assert (signed["input_min"], signed["output_min"]) == (-1, pytest.approx(-1.2))
    assert unsigned["input_min"] == 0


def test_the_two_ranges_are_measured_in_the_same_units():
    class Grey(FakeTokenizer):
        """Whatever comes in, 0.25 comes out."""

        def decode(self, ids):
            return torch.zeros(*ids.shape[:2], 3, 16, 16) + 0.25

    frames = torch.zeros(2, 3, 3, 16, 16)
    signed, _ = feed(Grey(), frames, "[-1, 1]")
    unsigned, back = feed(Grey(), frames, "[0, 1]")
    assert signed.mse == pytest.approx(0.25**2)
    assert unsigned.mse == pytest.approx(0.5**2)
    assert back.mean() == -0.5
    assert "4.0 times smaller" in expected_domain(signed, unsigned)
    assert "does not tell" in expected_domain(signed, signed)


def test_usage_is_logged_and_a_collapse_rings_once(make_trainer):
    class Collapsed(FakeActions):
        def encode(self, frames):
            return torch.zeros_like(super().encode(frames))

    trainer = make_trainer(callbacks.CodeUsage(), max_epochs=4)
    with pytest.warns(UserWarning, match=r"Collapse at step 6: the latent actions use 1\.0 of 4") as caught:
        trainer.fit(FakeStage(Collapsed()), WalkData())
    assert sum("Collapse" in str(w.message) for w in caught) == 1
    assert trainer.callback_metrics["val/action_perplexity"] == 1
    assert trainer.callback_metrics["val/actions_used"] == 1


def test_usage_of_a_healthy_stage(make_trainer):
    trainer = make_trainer(callbacks.CodeUsage())
    trainer.fit(FakeDynamicsStage(), WalkData())
    assert trainer.callback_metrics["val/actions_used"] == 4
    assert trainer.callback_metrics["val/action_perplexity"] > 3
    assert 1 < trainer.callback_metrics["val/code_perplexity"] < 2


def test_evenness():
    assert evenness(4.0, 4) == pytest.approx(1.0)
    assert evenness(1.0, 1024) == 0


def test_throughput_counts_samples(make_trainer):
    trainer = make_trainer(callbacks.Throughput())
    trainer.fit(FakeStage(FakeTokenizer()), WalkData())
    samples = trainer.callback_metrics["throughput/samples_per_s"]
    updates = trainer.callback_metrics["throughput/updates_per_s"]
    assert samples / updates == pytest.approx(2.0)
    assert "throughput/gpu_memory_gb" not in trainer.callback_metrics


@pytest.fixture
def held_out(monkeypatch):
    from tinyworlds.media.pixels import input_to_frames

    def clips(module, num_frames, num_clips, split):
        assert split == "val"
        frames, actions = walk(num_clips, num_frames)
        return Clips(input_to_frames(frames), actions, 10.0, "walks", torch.arange(num_clips))

    monkeypatch.setattr("callbacks.open_loop_clip.held_out_clips", clips)


def test_open_loop_is_drawn_at_each_validation(make_trainer, held_out):
    trainer = make_trainer(callbacks.OpenLoopClip(horizon=4))
    trainer.fit(FakeDynamicsStage(), WalkData())
    assert pictures(trainer) == {f"open_loop_step_{step}.{end}" for step in (3, 6) for end in ("png", "mp4")}
    assert trainer.callback_metrics["val/rollout_psnr"] > 58
    assert trainer.callback_metrics["val/rollout_gain"] > 5


def test_no_codec_and_no_logger_end_a_training(make_trainer, held_out, monkeypatch, caplog, tmp_path):
    from tinyworlds.errors import VideoError

    def no_codec(*_):
        raise VideoError("no codec here")

    class Broken(CSVLogger):
        def log_image(self, **kwargs):
            raise RuntimeError("no network")

    monkeypatch.setattr("tinyworlds.media.video.write_encoded", no_codec)
    trainer = make_trainer(callbacks.OpenLoopClip(), logger=Broken(tmp_path, name="walk"), max_epochs=1)
    trainer.fit(FakeDynamicsStage(), WalkData())
    assert pictures(trainer) == {"open_loop_step_3.png"}
    assert "Broken did not take the picture open_loop_step_3.png: no network" in caplog.text
    assert "No video encoder" in caplog.text


def test_a_picture_that_cannot_be_written_ends_no_training(
    make_trainer, held_out, monkeypatch, caplog, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("callbacks.open_loop_clip.pictures_folder", lambda _: tmp_path / "file" / "pictures")
    trainer = make_trainer(callbacks.OpenLoopClip(), max_epochs=1)
    trainer.fit(FakeDynamicsStage(), WalkData())
    assert "Could not write" in caplog.text
    assert trainer.state.finished


def test_too_short_data_is_said_once(make_trainer, caplog):
    from tinyworlds.errors import DataError

    def none(*args):
        raise DataError("The val split is empty.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.open_loop_clip.held_out_clips", none)
        make_trainer(callbacks.OpenLoopClip()).fit(FakeDynamicsStage(), WalkData())
    assert caplog.text.count("No open-loop clips in this run") == 1


def test_predict_writes_everything(make_trainer, tmp_path, capsys):
    options = RolloutOptions(horizon=3, num_clips=3, out=str(tmp_path / "out"))
    stage = FakeDynamicsStage()
    stage.options = options
    trainer = make_trainer(callbacks.OpenLoopWriter(options))
    results = trainer.predict(stage, WalkData())
    assert len(results) == 2  # two batches of two for three clips
    assert isinstance(results[0], RolloutResult)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "open_loop.png",
        "open_loop.mp4",
        "metrics.json",
    }
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["num_clips"] == len(figures["actions"]) == 3
    assert figures["psnr"] > 58
    assert figures["repeat_psnr"] < 30
    assert len(figures["psnr_by_step"]) == 3
    assert figures["raw_range_by_step"][0] == pytest.approx([-1.2, 1.2])
    assert figures["clamped_range_by_step"][0] == [-1.0, 1.0]
    assert figures["options"]["actions"] == "inferred"
    assert "clamped to [-1, 1]" in capsys.readouterr().out


def test_predict_without_truth_beyond_the_context(tmp_path):
    from callbacks.open_loop_writer import write_rollouts

    frames, _ = walk(2, 3)
    options = RolloutOptions(actions="1,2", horizon=4)
    stage = FakeDynamicsStage()
    result = open_loop(stage.tokenizer, stage.action_model, stage.network, frames, options)
    figures = write_rollouts(tmp_path, result, options, 10.0)
    assert "psnr" not in figures
    assert figures["actions"] == [[1, 2, 2, 2]] * 2
    assert (tmp_path / "open_loop.png").exists()
