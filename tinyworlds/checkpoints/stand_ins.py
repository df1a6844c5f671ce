"""Inert stand-ins for what training scripts pickle beside weights: nothing of theirs is imported or run.

The list is closed: a file that wants anything else is refused with the names it wants. Numbers stay numbers
and text stays text; of the others it only matters that the weights beside them can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

_NUMBERS = {"f2": "e", "f4": "f", "f8": "d", "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
            "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}  # fmt: skip


class Shell:
    """Stands in for an object: takes anything, keeps nothing, has no behaviour."""

    def __init__(self, *_: Any) -> None:
        """What it is made of does not matter."""

    def __new__(cls, *_: Any) -> Any:
        """Make one."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Take what the object held."""


class _DType(Shell):
    """Stands in for ``numpy.dtype``; knows which numbers are meant."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.format = "<" + _NUMBERS[code] if isinstance(code, str) and code in _NUMBERS else ""

    def __setstate__(self, state: Any) -> None:
        """Take the order of the bytes."""
        if isinstance(state, tuple) and state[1:2] == (">",) and self.format:
            self.format = ">" + self.format[1:]


def _scalar(dtype: Any = None, data: Any = b"", *_: Any) -> Any:
    """The number in a NumPy scalar; None for any other."""
    known = isinstance(dtype, _DType) and dtype.format and isinstance(data, bytes)
    return struct.unpack(dtype.format, data)[0] if known else None  # an error where the size is another


def _path(*parts: Any) -> str:
    return "/".join(part for part in parts if isinstance(part, str))


def _sequence(*_: Any) -> list[Any]:
    return []


def _dictionary(*_: Any) -> dict[Any, Any]:
    return {}


def _names(module: str, names: str, stand_in: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {f"{module}.{name}": stand_in for name in names.split()}


_PATHS = "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"
_SCALARS = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc longlong float16 float32 float64 str_"
)

STAND_INS: dict[str, Callable[..., Any]] = {
    "utils.config.DeviceType": str,  # of the original program; an enum of strings becomes its string
    **_names("utils.config", "DistributedConfig FSDPMixedPrecisionConfig", Shell),
    **_names("numpy._core.multiarray", "scalar", _scalar),
    **_names("numpy.core.multiarray", "scalar", _scalar),
    **_names("numpy._core.multiarray", "_reconstruct", Shell),
    **_names("numpy.core.multiarray", "_reconstruct", Shell),
    **_names("numpy._core.numeric", "_frombuffer", Shell),
    **_names("numpy.core.numeric", "_frombuffer", Shell),
    **_names("numpy", "dtype", _DType),
    **_names("numpy", f"ndarray {_SCALARS}", Shell),
    **_names("numpy.dtypes", "Float16DType Float32DType Float64DType Int32DType Int64DType BoolDType", Shell),
    **_names("argparse", "Namespace", Shell),
    **_names("types", "SimpleNamespace", Shell),
    **_names("pathlib", _PATHS, _path),
    **_names("pathlib._local", _PATHS, _path),
    **_names("collections", "defaultdict", _dictionary),
    **_names("collections", "deque", _sequence),
    **_names("datetime", "datetime date time timedelta timezone", Shell),
    **_names("decimal", "Decimal", Shell),
    **_names("fractions", "Fraction", Shell),
    **_names("uuid", "UUID", Shell),
    **_names("builtins", "list dict tuple int float str bool bytes frozenset slice range object", Shell),
}
"""By the name that a file gives."""

READ_BY_TORCH = frozenset(
    [
        *("collections.OrderedDict", "collections.Counter", "_codecs.encode"),
        *("builtins.set", "builtins.complex"),
        *(f"torch.{name}" for name in ("Size", "Tensor", "device", "nn.parameter.Parameter")),
        *(f"torch._utils._rebuild_{name}" for name in ("tensor", "tensor_v2", "tensor_v3", "parameter",
            "parameter_with_state", "sparse_tensor", "meta_tensor_no_storage", "qtensor", "nested_tensor")),
        *("torch._tensor._rebuild_from_type_v2", "torch.serialization._get_layout"),
    ]
)  # fmt: skip
"""What ``torch.load(weights_only=True)`` makes itself, less what allocates as much as a file asks for."""
