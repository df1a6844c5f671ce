"""Measuring in a process of its own: ``python -m tinyworlds.fit.plan.measuring`` answers JSON lines.

Its memory, and a GPU's, are free again before training starts. Each question is one line on stdin: the name
of a function here and its arguments; each answer is one line on stdout.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from tinyworlds import errors
from tinyworlds.fit.plan.facts import Facts, Pace, Words

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from tinyworlds.fit.updates import Work
    from tinyworlds.training.stages import Stage

_ROUNDS = 4
_SECONDS = 2.0
"""So long is a stage timed, unless three updates take longer."""


class Child:
    """The asking side, see `tinyworlds.fit.plan.facts.Machine`."""

    def __init__(self, process: subprocess.Popen[str], began: float) -> None:
        self._process, self._began = process, began

    def facts(self, words: Words) -> Facts:
        """Return the facts of what `words` would be trained on, and where."""
        found = self._ask("facts", words=words)
        # nothing was asked before: from its start until it answered, as a training until it can begin
        return Facts(**found, startup_s=time.monotonic() - self._began)

    def pace(self, words: Words, stage: str) -> Pace:
        """Return how fast a stage goes with the settings in `words`."""
        return Pace(**self._ask("pace", words=words, stage=stage))

    def _ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps([name, arguments]), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except OSError:  # it has ended
            line = ""
        if not line:
            raise errors.TrainingError(
                "this machine could not be measured: the process that does it ended; what it said is above"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise getattr(errors, answer["kind"])(answer["error"])
        return answer


@contextmanager
def measuring() -> Iterator[Child]:
    """Start a process that measures; it ends with the block."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tinyworlds.fit.plan.measuring"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield Child(process, began)
    finally:
        process.kill()
        process.communicate()


# ---- the answering side


def facts(words: Words) -> dict[str, Any]:
    """Look at the recording and the machine."""
    from tinyworlds.data import H5DataModule
    from tinyworlds.fit.config_reading import read_settings
    from tinyworlds.nn.devices import has_fast_bf16

    settings = read_settings(words["dynamics"])
    given = settings.data
    data = H5DataModule(
        given.files, game=given.game, fps=given.fps, skip_frames=given.skip_frames, cache=False
    )
    lengths = [len(file) // stride for file, stride in zip(data.frame_files, data.strides, strict=True)]
    counts = data.action_counts
    known = counts is not None and int(counts.sum()) == sum(map(len, data.frame_files))
    device = _device(settings)
    return {
        "frame_size": given.frame_size or data.frame_files[0].info.height,
        "num_frames": sum(lengths),
        "num_labels": len(data.action_names) if known and len(data.action_names) > 1 else 0,
        "fast_bf16": device.type == "cpu" and has_fast_bf16(device),
    }


def pace(words: Words, stage: str) -> dict[str, Any]:
    """Time updates of a stage, fresh weights on noise; a long one by a part of its clips."""
    from tinyworlds.data.schema import read_info
    from tinyworlds.data.sources import find_files, game_defaults
    from tinyworlds.fit.config_reading import read_settings
    from tinyworlds.fit.updates import affordable, built, update_of

    settings = read_settings(words[stage])
    data = settings.data
    if data.frame_size is None:
        data.frame_size = read_info(find_files(data.files, game_defaults(data.game).data_file)[0]).height
    if stage == "dynamics":
        _take_codes_of(read_settings(words["video_tokenizer"]), settings)
    work, module = built(settings)
    device = _device(settings)
    module = module.to(device)
    bf16 = _is_half(settings, device)
    batch, accumulate = work.batch, work.accumulate
    if device.type == "cpu":
        batch, accumulate = affordable(module, work, _SECONDS / 2)
    update = update_of(module, work, batch, accumulate, bf16)
    seconds = _median_seconds(update, device) * work.clips / (batch * accumulate)
    encode_s = _encode_seconds(module, work) if stage == "video_tokenizer" else 0.0
    return asdict(Pace(work.updates, seconds, work.clips, work.num_frames, encode_s, _size(settings)))


def _take_codes_of(tokenizer: Namespace, dynamics: Namespace) -> None:
    """Let dynamics have the codes that the tokenizer's settings make, as training will."""
    for name in ("patch_size", "latent_dim", "num_bins"):
        dynamics.model.init_args[name] = tokenizer.model.init_args[name]


def _device(settings: Namespace) -> Any:
    import torch

    from tinyworlds.training.strategies import uses_cuda

    return torch.device("cuda" if uses_cuda(settings.trainer.accelerator) else "cpu")


def _is_half(settings: Namespace, device: Any) -> bool:
    asked = settings.trainer.precision
    return device.type == "cuda" if asked is None else "16" in str(asked)


def _median_seconds(update: Any, device: Any) -> float:
    import torch

    taken: list[float] = []
    update()
    begun = time.perf_counter()
    while len(taken) < _ROUNDS and (len(taken) < 2 or time.perf_counter() - begun < _SECONDS):
        start = time.perf_counter()
        update()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


def _encode_seconds(stage: Stage, work: Work) -> float:
    import torch

    from tinyworlds.fit.updates import batch_of

    network: Any = stage.network
    (frames,) = batch_of(stage, work, 4)
    with torch.no_grad():
        network.eval()
        network.encode(frames)
        start = time.perf_counter()
        network.encode(frames)
        return (time.perf_counter() - start) / (frames.shape[0] * frames.shape[1])


def _size(settings: Namespace) -> str:
    from tinyworlds.fit.resolve import stage_class

    model = settings.model.init_args
    if stage_class(settings.model).name == "latent_actions":
        return f"{model.num_actions} actions, width {model.embed_dim}"
    patch = f"patch {model.patch_size}, " if model.get("patch_size") else ""
    return f"{patch}width {model.embed_dim}, {model.num_blocks} blocks"


def _answer(line: str) -> dict[str, Any]:
    name, arguments = json.loads(line)
    answers: dict[str, Callable[..., dict[str, Any]]] = {"facts": facts, "pace": pace}
    try:
        return answers[name](**arguments)
    except errors.TinyWorldsError as error:
        return {"error": str(error), "kind": type(error).__name__}


def main(questions: IO[str]) -> None:
    """Answer line by line; what libraries print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking side's, which then ends this one
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for line in questions:
            print(json.dumps(_answer(line)), file=out, flush=True)


if __name__ == "__main__":
    main(sys.stdin)
