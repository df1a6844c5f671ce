"""A network as a page holds it: the memory that the kernel reads, and the packed file that memory is made of.

`native_transformer` writes modules down for the kernel of this process, by address. For a page the same is
written with places in an image instead; the page unpacks the weights into its memory, and adds to each
address where the image begins there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import c_uint32
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tinyworlds.checkpoints.packing import SCALE, Weights, pack_weights
from tinyworlds.nn.kernels.transformer_pass import Structures
from tinyworlds.nn.native_transformer import PassWriter
from tinyworlds.nn.positions import RotarySpace, RotaryTime
from tinyworlds.nn.transformer import Transformer

_BORDER = 64  # bytes; nothing lies at 0, which means that something is missing
_KINDS = {torch.int8: "int8", torch.float16: "half", torch.float32: "float32", torch.uint8: "raw"}


@dataclass(frozen=True)
class NetworkPart:
    """A network in a page's file.

    Attributes:
        facts: what the page has to know of it.
        data: the bytes of its tensors, one after the other.
    """

    facts: dict[str, Any]
    data: bytes


def network_part(
    tensors: Mapping[str, Tensor], transformer: Transformer, weights: Weights, num_frames: int
) -> NetworkPart:
    """Write a network down for a page.

    Args:
        tensors: all its weights by name, those of the transformer among them.
        transformer: of it.
        weights: how they are packed.
        num_frames: most frames that it sees at once.
    """
    writer = _ImageWriter(tensors, num_frames)
    written = writer.write(transformer.blocks, transformer.final)
    first, final = writer.place_structure(written.blocks), writer.place_structure(written.final)
    described, data = _packed(writer.places, pack_weights(tensors, weights))
    facts = {
        "bytes": writer.end,
        "tensors": described,
        "pointers": writer.pointers,
        "first": first,
        "final": final,
        "blocks": len(written.blocks),
        "head_width": written.channels,
        "hidden": written.hidden,
        "width": written.sizes["width"],
        "places": written.sizes["places"],
    }
    return NetworkPart(facts, data)


class _ImageWriter(PassWriter):
    """Gives tensors places in an image.

    Attributes:
        places: name to tensor and its first byte.
        pointers: where the addresses lie.
        end: bytes of the image.
    """

    def __init__(self, tensors: Mapping[str, Tensor], num_frames: int) -> None:
        super().__init__(Structures(c_uint32))
        self.places: dict[str, tuple[Tensor, int]] = {}
        self.pointers: list[int] = []
        self.end = _BORDER
        self._num_frames = num_frames
        self._time_turns: tuple[int, int] | None = None
        for name, tensor in tensors.items():
            self._place(name, tensor)

    def hold(self, weight: Tensor) -> int:
        """Where a tensor lies, which may be some rows of one that was placed."""
        self.held.append(weight)
        for tensor, first in self.places.values():
            within = weight.data_ptr() - tensor.data_ptr()
            if 0 <= within < tensor.nbytes:
                return first + within
        return self._place(f"turns {len(self.places)}", weight)

    def place_structure(self, structure: ctypes.Structure | ctypes.Array) -> int:
        """Where a structure lies."""
        first = self._place(
            f"structure {len(self.places)}", torch.tensor([*bytes(structure)], dtype=torch.uint8)
        )
        self.pointers += [first + at for at in _addresses(structure)]
        return first

    def _turn(self, rotary: RotarySpace | RotaryTime) -> tuple[int, int]:
        """Of a clip's hundreds of frames a page needs a few, and time turns alike in all blocks."""
        if isinstance(rotary, RotarySpace):
            return super()._turn(rotary)
        if self._time_turns is None:
            few = slice(self._num_frames)
            self._time_turns = self.hold(rotary.cos[few]), self.hold(rotary.sin[few])
        return self._time_turns

    def _place(self, name: str, tensor: Tensor) -> int:
        first = self.end
        self.places[name] = tensor, first
        self.end = -(-(first + tensor.nbytes) // _BORDER) * _BORDER
        return first


def _addresses(structure: Any) -> Iterator[int]:
    """Where the addresses lie that are not null, in bytes from the beginning of a structure."""
    if isinstance(structure, ctypes.Array):
        size = ctypes.sizeof(structure) // len(structure)
        for i, each in enumerate(structure):
            yield from (i * size + at for at in _addresses(each))
        return
    for name, kind in structure._fields_:
        first, value = getattr(type(structure), name).offset, getattr(structure, name)
        if kind is c_uint32 and value:
            yield first
        elif isinstance(value, ctypes.Structure):
            yield from (first + at for at in _addresses(value))


def _packed(
    places: Mapping[str, tuple[Tensor, int]], packed: Mapping[str, Tensor]
) -> tuple[list[dict[str, Any]], bytes]:
    """What the page is told of each tensor, and all their bytes; what is not packed stays as it is."""
    described, data = [], bytearray()
    for name, (tensor, first) in places.items():
        value = packed.get(name, tensor)
        rows = tensor.shape[0] if tensor.dim() > 1 else 1
        shape = {"rows": rows, "columns": tensor.numel() // rows}
        described.append({"name": name, "at": first, "kind": _KINDS[value.dtype], **shape})
        data += value.contiguous().numpy().tobytes()
        if (scale := packed.get(name + SCALE)) is not None:
            data += scale.float().contiguous().numpy().tobytes()
    return described, bytes(data)


def weights_of(module: nn.Module, *left_out: str) -> dict[str, Tensor]:
    """The weights of a module by name, but those of some parts."""
    return {
        name: weight.detach()
        for name, weight in module.named_parameters()
        if name.split(".")[0] not in left_out
    }
