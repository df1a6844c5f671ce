"""Safetensors files with an entry of ours: no code in them, and other programs read the weights, too.

In the file of one stage, tensors carry the network's own names, and the metadata entry ``tinyworlds`` is JSON
with what a checkpoint says about itself (``stage``, ``network``, ``game``, ...) and ``step``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tinyworlds.checkpoints.packing import unpack_weights
from tinyworlds.errors import CheckpointError, MissingFileError, StorageError, TinyWorldsError
from tinyworlds.system.documents import check_is_no_pointer
from tinyworlds.system.files import replacing
from tinyworlds.system.text import encodable

KEY = "tinyworlds"
_MOST_HEADER_BYTES = 8 << 20  # names of some hundred tensors and what a world says of itself take kilobytes


def _header_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8), "little")


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON header, then the header."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100 << 20


def read_safetensors(path: Path, header_only: bool = False) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the ``tinyworlds`` entry of the metadata ({} if there is none) and the tensors, unpacked.

    Args:
        path: the file.
        header_only: leave the tensors out, which are then {}.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is truncated or malformed.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")
    check_is_no_pointer(path)
    _check_name(path, CheckpointError)
    if _header_bytes(path) > _MOST_HEADER_BYTES:
        raise CheckpointError(
            f"{path} is no .world file, nor another safetensors file: its header is too large"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(KEY, "{}"))
            names = [] if header_only else file.keys()
            tensors = unpack_weights({name: file.get_tensor(name) for name in names})
    except (SafetensorError, OSError, ValueError, RecursionError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is truncated or no .world file, nor another safetensors file ({str(error)[:200]}): "
            "copy or export it again"
        ) from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: its metadata are damaged; copy or export it again")
    return header, tensors


def write_safetensors(path: Path, header: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors and the ``tinyworlds`` entry, whole or not at all.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    _check_name(path, StorageError)
    # Copies: safetensors refuses tensors that share memory or are not contiguous.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    try:
        with replacing(path) as temporary:
            save_file(plain, temporary, metadata={KEY: json.dumps(header)})
    except SafetensorError as error:
        raise StorageError(
            f"{path} could not be written ({error}): free some space or choose another folder"
        ) from None


def _check_name(path: Path, kind: type[TinyWorldsError]) -> None:
    if encodable(str(path)) != str(path):
        raise kind(f"{path}: its name is no UTF-8, which safetensors files must have; give it another name")
