"""Steps captured once and replayed: on a GPU a CUDA graph, one launch in place of a thousand small ones.

A frame of play is some hundred passes of a block over a few hundred tokens. A GPU is done with each sooner
than Python asks for the next, so nearly all of the time is asking. Captured, a step is asked for once.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import torch
from torch import Tensor

Inputs = tuple[Tensor | None, ...]
Step = Callable[..., tuple[Tensor, ...]]

_WARM_UP = 3  # what is made at first use (workspaces, compiled code) must not be made while capturing
_MOST_KEPT = 4


class Capture(Protocol):
    """A step on fixed inputs that can be run again."""

    outputs: tuple[Tensor, ...]

    def replay(self) -> None:
        """Fill `outputs` from what stands in the inputs now."""


Capturer = Callable[[Step, Inputs, torch.Generator | None], Capture]


class CudaGraph:
    """A step on the GPU as a CUDA graph.

    Args:
        step: Works on the GPU alone: no values are asked for, nothing comes from the host.
        inputs: Tensors it will read at every replay.
        generator: Of its random numbers, if any; goes on from replay to replay.

    Raises:
        RuntimeError: The step cannot be captured.
    """

    def __init__(self, step: Step, inputs: Inputs, generator: torch.Generator | None) -> None:
        self._graph = torch.cuda.CUDAGraph()
        if generator is not None:
            self._graph.register_generator_state(generator)
        # other threads, which may play other worlds, can do as they like meanwhile
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self.outputs = step(*inputs)

    def replay(self) -> None:
        """Fill `outputs` from what stands in the inputs now."""
        self._graph.replay()


class CapturedStep:
    """A step that is captured at its first call of each kind, and replayed from then on.

    The first replay must give what the step gives; otherwise, or where capturing fails, the step itself runs
    for good, and a warning says so.

    Args:
        step: A function of tensors alone: what it returns depends on nothing else.
        generator: Of its random numbers, on the device of the inputs; None uses none.
        capture: Captures it.
    """

    def __init__(
        self, step: Step, generator: torch.Generator | None = None, capture: Capturer = CudaGraph
    ) -> None:
        self._step, self._generator, self._capture = step, generator, capture
        self._kept: OrderedDict[Hashable, tuple[Inputs, Capture]] = OrderedDict()
        self._works = True

    def forget(self) -> None:
        """Drop what was captured: the step has become another."""
        self._kept.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Copies capture their own steps: a graph belongs to the memory that it was captured with."""
        return {**self.__dict__, "_kept": OrderedDict()}

    @torch.inference_mode()
    def __call__(self, kind: Hashable, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        """Step.

        Args:
            kind: What besides the shapes of the inputs makes the step another one (its settings).
            inputs: Of the step.

        Returns:
            What the step returns, as tensors of its own.
        """
        if not self._works:
            return self._step(*inputs)
        key = kind, tuple(None if each is None else each.shape for each in inputs)
        if key not in self._kept:
            return self._first(key, inputs)
        self._kept.move_to_end(key)
        fixed, captured = self._kept[key]
        for into, given in zip(fixed, inputs, strict=True):
            if into is not None and given is not None:
                into.copy_(given)
        captured.replay()
        return tuple(output.clone() for output in captured.outputs)

    def _first(self, key: Hashable, inputs: Inputs) -> tuple[Tensor, ...]:
        """Capture, and return the outputs of the step itself."""
        random = None if self._generator is None else self._generator.get_state()
        expected = self._warm_up(inputs, random)
        try:
            fixed = tuple(None if each is None else each.clone() for each in inputs)
            captured = self._capture(self._step, fixed, self._generator)
            self._rewind(random)
            captured.replay()
            if not all(map(_agree, captured.outputs, expected)):
                raise RuntimeError("the recorded step gives something else")
        except RuntimeError as failure:
            self._works = False
            reason = (str(failure).strip().splitlines() or ["unknown"])[0]
            warnings.warn(f"Steps run one by one, recording them failed: {reason}", stacklevel=4)
            self._rewind(random)
            return self._step(*inputs)
        self._kept[key] = fixed, captured
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return expected

    def _warm_up(self, inputs: Inputs, random: Tensor | None) -> tuple[Tensor, ...]:
        on_gpu = any(each is not None and each.device.type == "cuda" for each in inputs)
        side = torch.cuda.Stream() if on_gpu else None  # capturing wants it away from the usual one
        if side is not None:
            side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._rewind(random)
                outputs = self._step(*inputs)
        if side is not None:
            torch.cuda.current_stream().wait_stream(side)
        return outputs

    def _rewind(self, random: Tensor | None) -> None:
        if self._generator is not None and random is not None:
            self._generator.set_state(random)


def _agree(one: Tensor, other: Tensor) -> bool:
    """Whether numbers are the same, where they are rounded nearly so."""
    if not one.is_floating_point():
        return torch.equal(one, other)
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3)
