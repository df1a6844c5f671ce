"""The process that measures, for real: facts of a file, seconds of updates, errors as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyworlds.errors import ConfigError, MissingFileError
from tinyworlds.fit.plan.ladder import SIZES, size_words
from tinyworlds.fit.plan.measuring import measuring
from tinyworlds.fit.train_request import make_request
from tinyworlds.models.registry import STAGES


@pytest.mark.slow
def test_a_recording_and_this_machine(tiny_h5_64: Path, tmp_path: Path) -> None:
    request = make_request("mygame", ["--data.files", str(tiny_h5_64)], tmp_path)
    with measuring() as machine:
        facts = machine.facts(request.arguments)
        assert (facts.frame_size, facts.num_frames, facts.num_labels) == (64, 300, 4)
        assert facts.startup_s > 0
        words = request.with_words({stage: size_words(SIZES[0], facts, stage) for stage in STAGES})
        paces = {stage: machine.pace(words, stage) for stage in STAGES}
        with pytest.raises(ConfigError, match="batch_siz"):
            machine.pace({**words, "dynamics": [*words["dynamics"], "--data.batch_siz=3"]}, "dynamics")
        again = machine.pace(words, "latent_actions")  # it goes on after an error
    assert all(0 < pace.update_s < 60 for pace in (*paces.values(), again))
    assert (paces["video_tokenizer"].clips, paces["video_tokenizer"].num_frames) == (16, 4)
    assert (paces["dynamics"].clips, paces["dynamics"].num_frames) == (10, 5)
    assert paces["video_tokenizer"].encode_s > 0
    assert paces["video_tokenizer"].size == "patch 8, width 64, 2 blocks"


@pytest.mark.slow
def test_no_recording(tmp_path: Path) -> None:
    request = make_request("mygame", ["--data.files", str(tmp_path / "none.h5")], tmp_path)
    with measuring() as machine, pytest.raises(MissingFileError, match=r"none\.h5"):
        machine.facts(request.arguments)
