"""Parts in a file beside the user: found, trained, saved, loaded; or told why not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tiny_runs import curve, train, words

from tinyworlds import DynamicsStage, load_network
from tinyworlds.checkpoints.formats import META_KEY
from tinyworlds.checkpoints.load import read_checkpoint
from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit.own_classes import import_classes
from tinyworlds.fit.saved_config import saved_settings
from tinyworlds.models import LatentActionModel

Beside = Callable[[str, str], Path]

SMOOTH = """
    from pathlib import Path
    from lightning.pytorch import Callback
    from tinyworlds import LatentActionsStage
    from tinyworlds.models import LatentActionModel

    class SmoothActions(LatentActionsStage):
        def __init__(self, smoothness: float = 0.5, **settings) -> None:
            super().__init__(**settings)
            self.smoothness = smoothness

        def losses(self, batch):
            losses = super().losses(batch)
            likely = self.network.encoder(batch["frames"]).softmax(dim=-1)
            change = (likely[:, 1:] - likely[:, :-1]).abs().mean()
            return {**losses, "change": change, "loss": losses["loss"] + self.smoothness * change}

    class Note(Callback):
        def __init__(self, word: str = "") -> None:
            self.word = word

        def on_train_start(self, trainer, stage) -> None:
            Path("noted").write_text(f"{self.word} {stage.smoothness}")
"""
OWN = "--model.class_path=my_actions.SmoothActions"


def test_a_stage_beside_the_user_is_trained_saved_and_gone_on_with(
    beside: Beside, tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside("my_actions", SMOOTH)
    more = [OWN, "--model.smoothness=0.25", "--trainer.max_steps=2"]
    callback = ["--trainer.callbacks+=my_actions.Note", "--trainer.callbacks.word=hello"]
    version = train("latent_actions", tiny_h5, tmp_path / "run", *more, *callback)
    assert Path("noted").read_text() == "hello 0.25"
    assert len(curve(version, "train/change")) == 2
    last = version / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(last)
    assert checkpoint[META_KEY]["stage_class"] == "my_actions.SmoothActions"
    assert checkpoint["hyper_parameters"]["smoothness"] == 0.25
    assert type(load_network(last)) is LatentActionModel, "its network is one of ours"
    assert main(["validate", *words("latent_actions", tiny_h5, tmp_path / "run", OWN)]) == 0
    assert curve(version, "val/change", "validate.csv")
    assert main(["fit", "--ckpt_path", str(last), "--trainer.max_steps=3"]) == 0, "the run knows the rest"
    assert len(curve(version, "train/change")) == 3
    assert (
        yaml.safe_load((version / "config.yaml").read_text())["model"]["class_path"]
        == "my_actions.SmoothActions"
    )
    capsys.readouterr()


def test_what_a_strangers_config_names_is_only_run_if_the_user_has_run_that_file(
    beside: Beside, tmp_path: Path
) -> None:
    path = tmp_path / "run" / "latent_actions" / "version_0" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"model": {"class_path": "my_actions.SmoothActions", "init_args": {}}}))
    beside("my_actions", SMOOTH)
    with pytest.raises(ConfigError, match=r"my_actions\.SmoothActions"):
        saved_settings(path)
    import_classes(["--model", "my_actions.SmoothActions"])
    assert saved_settings(path)["model"]["class_path"] == "my_actions.SmoothActions"


WRONG = {
    "no file": (
        "--model my_acions.SmoothActions",
        r"--model my_acions\.SmoothActions: no module 'my_acions' .*folder\. Did you mean 'my_actions'\?",
    ),
    "no class": (
        "--model.class_path my_actions.SmothActions",
        r"my_actions\.py has no 'SmothActions'\. Did you mean 'SmoothActions'\?",
    ),
    "far from any class": ("--model my_actions.Xyz", r"my_actions\.py has no 'Xyz'\. It holds SmoothActions"),
    "an error in the file": (
        "--model broken.Stage",
        r"--model broken\.Stage: ZeroDivisionError: division by zero \(broken\.py, line 3\)",
    ),
    "a mistake in its language": ("--model unclosed.Stage", r"SyntaxError: .*unclosed\.py, line 2"),
    "a package that it needs": (
        "--model needing.Stage",
        r"it needs the module 'no_such_package', which is not installed \(needing\.py, line 2\)",
    ),
    "no stage": (
        "--model my_actions.Note", r"my_actions\.Note is no stage: derive it from one of .*LatentActionsStage"
    ),
    "no class at all": ("--model my_actions.number", r"my_actions\.number is no class"),
    "which stage": ("--model my_actions.Bare", r"my_actions\.Bare does not say which stage it is"),
    "no callback": (
        "--trainer.callbacks+=my_actions.Nte",
        r"--trainer\.callbacks my_actions\.Nte: my_actions\.py has no 'Nte'\. Did you mean 'Note'\?",
    ),
    "another class as a callback": (
        "--trainer.callbacks+=my_actions.Plain", r"my_actions\.Plain is no lightning Callback"
    ),
    "no optimizer": (
        "--optimizer AdamX", r"--optimizer AdamX: there is none .*torch\.optim\. Did you mean 'Adam'\?"
    ),
    "no schedule": ("--lr_scheduler CosineAnealingLR", r"Did you mean 'CosineAnnealingLR'\?"),
    "an optimizer of one's own": ("--optimizer my_actions.Plain", r"my_actions\.Plain is no torch Optimizer"),
    "a name that is taken": (
        "--model callbacks.Mine", r"another module is called 'callbacks' .*rename callbacks\.py"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_class_is_one_line(
    case: str, beside: Beside, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    more = """
    from tinyworlds.training.stages import Stage

    number = 7

    class Plain:
        pass

    class Bare(Stage):
        pass
    """
    beside("my_actions", SMOOTH + more)
    beside("broken", "import math\nx = 1\ny = 1 / 0\n")
    beside("unclosed", "x = 1\ny = (\n")
    beside("needing", "import math\nimport no_such_package\n")
    beside("callbacks", "class Mine:\n    pass\n")
    option, told = WRONG[case]
    given = [option] if "=" in option else option.split()
    line = error_line("fit", *words("latent_actions", tiny_h5, tmp_path / "run"), *given, code=2)
    assert re.search(told, line), line
    assert not (tmp_path / "run").exists()


def test_a_constructor_that_fails_names_its_line(
    beside: Beside, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    beside("my_actions", SMOOTH.replace("self.smoothness = smoothness", "self.smoothness = 1 / 0"))
    line = error_line("fit", *words("latent_actions", tiny_h5, tmp_path / "run", OWN), code=2)
    assert "SmoothActions cannot be built: ZeroDivisionError" in line
    assert "(my_actions.py, line " in line


NETWORK = """
    from torch import nn
    from tinyworlds import VideoTokenizer, VideoTokenizerStage

    class Refined(VideoTokenizer):
        def __init__(self, width: int = 4, **network) -> None:
            super().__init__(**network)
            self.refine = nn.Conv2d(3, 3, 3, padding=1)
            self.config |= {"width": width}

        def forward(self, frames):
            return self.refined(super().forward(frames))

        def decode(self, ids):
            return self.refined(super().decode(ids))

        def refined(self, frames):
            return frames + self.refine(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    class RefinedStage(VideoTokenizerStage):
        def build_network(self, width: int = 4, **network) -> Refined:
            return Refined(width=width, **network)
"""


def test_a_network_of_ones_own_is_trained_saved_and_read_here(
    beside: Beside, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    beside("my_network", NETWORK)
    run = tmp_path / "run"
    more = ["--model=my_network.RefinedStage", "--model.width=3", "--trainer.max_steps=2"]
    version = train("video_tokenizer", tiny_h5, run, *more)
    last = version / "checkpoints" / "last.ckpt"
    meta = read_checkpoint(last)[META_KEY]
    assert meta["network_class"] == "my_network.Refined"
    assert (meta["network"]["width"], meta["network"]["num_blocks"]) == (3, 1)
    network = load_network(last)
    assert type(network).__name__ == "Refined"
    assert network.config == meta["network"]
    train("video_tokenizer", tiny_h5, run, *more[:2], "--trainer.max_steps=3", "--ckpt_path=last")
    line = error_line("fit", *words("video_tokenizer", tiny_h5, run), "--ckpt_path=last")
    assert "is of my_network.Refined, this stage builds the usual one" in line
    train("latent_actions", tiny_h5, run, "--trainer.max_steps=1")
    train("dynamics", tiny_h5, run, "--trainer.max_steps=1")
    assert main(["export", str(run), "mine.world"]) == 0
    assert main(["play", "mine.world", "--headless", "--keys", "w*2", "--out", "clip.mp4"]) == 0
    assert main(["convert", str(last), str(tmp_path / "one.safetensors")]) == 0
    assert type(load_network(tmp_path / "one.safetensors")).__name__ == "Refined"
    assert "no network my_network.Refined" in error_line("convert", str(last), str(tmp_path / "one.pth"))


def test_a_network_that_would_not_be_saved_whole_is_told(
    beside: Beside, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    beside("my_network", NETWORK.replace('self.config |= {"width": width}', "pass"))
    line = error_line(
        "fit", *words("video_tokenizer", tiny_h5, tmp_path, "--model=my_network.RefinedStage"), code=2
    )
    assert "Refined takes width, which its `config` lacks" in line
    beside(
        "my_other",
        NETWORK.replace("(VideoTokenizer)", "(nn.Module)").replace(
            "super().__init__(**network)", "super().__init__()"
        ),
    )
    line = error_line(
        "fit", *words("video_tokenizer", tiny_h5, tmp_path, "--model=my_other.RefinedStage"), code=2
    )
    assert "Refined is no VideoTokenizer" in line or "cannot be built" in line


def test_the_data_of_a_stage_of_ones_own(beside: Beside, tiny_h5: Path, tmp_path: Path) -> None:
    beside("my_data", """
        from tinyworlds import H5DataModule, VideoTokenizerStage

        class Brighter(H5DataModule):
            def __init__(self, gain: float = 1.0, **settings) -> None:
                super().__init__(**settings)
                self.gain = gain

            def on_after_batch_transfer(self, batch, dataloader_idx):
                batch = super().on_after_batch_transfer(batch, dataloader_idx)
                return {**batch, "frames": (batch["frames"] * self.gain).clamp(-1, 1)}

        class Stage(VideoTokenizerStage):
            datamodule_class = Brighter
    """)  # fmt: skip
    losses = []
    for gain in ("1.0", "0.1"):
        more = ["--model=my_data.Stage", f"--data.gain={gain}", "--trainer.max_steps=1"]
        losses += curve(train("video_tokenizer", tiny_h5, tmp_path / gain, *more))
    assert losses[1] < losses[0], "pictures without contrast are easy"


def test_short_names_and_our_own_paths_still_work() -> None:
    assert import_classes(["--model", "DynamicsStage"]) is DynamicsStage
    assert (
        import_classes(["--model.class_path=tinyworlds.training.stages.dynamics.DynamicsStage"])
        is DynamicsStage
    )
    assert import_classes(["--trainer.callbacks", "[{class_path: callbacks.Throughput}]"]) is None
    assert import_classes(["--config", "model: tinyworlds.DynamicsStage"]) is DynamicsStage
