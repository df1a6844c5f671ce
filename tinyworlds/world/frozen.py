"""Networks for a world to step: the weights that somebody else holds, frozen here and only here."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def frozen(network: Module, device: torch.device) -> Module:
    """A network with the weights of `network`, in eval mode and without gradients; that one stays as it was.

    The modules are copies and the weights are not, as long as `network` lies on `device`: where it learns on,
    this one plays with what it has learned. Elsewhere the weights are copied, once. What is compiled of
    `network` is not compiled here.
    """
    copy = _Copier(device).module(network)
    return copy.eval()


class _Copier:
    """Copies modules; what is used twice in a network is one thing in its copy, too."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: dict[int, Any] = {}  # by the id of what they are copies of

    def module(self, module: Module) -> Module:
        if id(module) in self._copies:
            return self._copies[id(module)]
        copy = self._copies[id(module)] = module.__new__(type(module))
        copy.__dict__ = {
            **module.__dict__,
            "_parameters": {name: self._tensor(each) for name, each in module._parameters.items()},
            "_buffers": {name: self._tensor(each) for name, each in module._buffers.items()},
            "_modules": {
                name: None if each is None else self.module(each) for name, each in module._modules.items()
            },
            "_compiled_call_impl": None,
        }
        return copy

    def _tensor(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        if id(tensor) not in self._copies:
            here = tensor.detach().to(self._device)
            is_weight = isinstance(tensor, nn.Parameter)
            self._copies[id(tensor)] = nn.Parameter(here, requires_grad=False) if is_weight else here
        return self._copies[id(tensor)]
