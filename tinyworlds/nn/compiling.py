"""``torch.compile`` for the parts of a network, with a way back when the compiler fails."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from tinyworlds.nn.attention import choose_attention


class _CompiledCall:
    """The compiled call of one module, replaced by the plain one for good at the first failure."""

    def __init__(self, module: nn.Module, name: str, options: dict[str, Any] | None) -> None:
        self.module = module
        self.name = name
        self.compiled = torch.compile(module._call_impl, dynamic=False, options=options)
        self.worked = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.worked:
            choose_attention(self.module)  # a choice made while tracing would have it traced once more
        try:
            result = self.compiled(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise  # says nothing of the compiler
        except Exception as failure:
            if self.worked and not type(failure).__module__.startswith("torch._"):
                raise  # an error of the caller (a wrong shape), not of the compiler
            _fall_back(self.module, self.name, failure)
            return self.module._call_impl(*args, **kwargs)
        self.worked = True
        return result


def _fall_back(module: nn.Module, name: str, failure: Exception) -> None:
    module._compiled_call_impl = None
    reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
    warnings.warn(
        f"torch.compile failed for '{name}', which runs uncompiled from now on: {reason}", stacklevel=4
    )


def compile_network(network: nn.Module, only: Collection[str] | None = None, constant: bool = False) -> None:
    """Compile every direct child of `network` that has parameters (or those named in `only`), in place.

    Children (encoder, decoder, transformer) and not the network itself, because training calls ``loss``,
    ``encode`` and ``decode`` and never the network's ``forward``. State-dict keys do not change. The first
    call of each part takes seconds.

    Args:
        network: Holds the children.
        only: Names of those to compile.
        constant: The weights will not change any more, as at play: they become part of what is compiled.
    """
    options = None
    if constant:  # weights are joined and packed once; without them to guard, each call has less to check
        guards = torch.compiler.skip_guard_on_all_nn_modules_unsafe
        options = {"freezing": True, "guard_filter_fn": guards}
    for name, child in network.named_children():
        wanted = only is None or name in only
        if wanted and any(True for _ in child.parameters()):
            child._compiled_call_impl = _CompiledCall(child, name, options)


def is_compiled(network: nn.Module) -> bool:
    """Whether a part of `network` was compiled by `compile_network`."""
    return any(child._compiled_call_impl is not None for child in network.children())
