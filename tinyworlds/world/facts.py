"""What a world file says of itself, in words and figures, read from its header alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from tinyworlds.errors import CheckpointError
from tinyworlds.keys import key_hints
from tinyworlds.system.text import visible
from tinyworlds.world.file import read_header
from tinyworlds.world.keys import read_keys

_READ_BACK = ("read_back_1_4", "read_back_5_16", "read_back_17_32", "read_back_33_64")


@dataclass(frozen=True)
class WorldFacts:
    """A world file as `tinyworlds worlds`, `tinyworlds inspect` and the cards show it.

    Attributes:
        path: the file.
        megabytes: its size in millions of bytes.
        game: short name of the title.
        size: height and width of its frames in pixels.
        fps: frames per second.
        keys: action name to the keys that take it.
        num_weights: numbers in its networks.
        weights: how they are kept: float32, half or int8.
        num_clips: clips to start from.
        clips: how these are kept.
        actions: what its dynamics listen to: labels, latent or none.
        metrics: figures of its last evaluation.
        provenance: where it comes from.
    """

    path: Path
    megabytes: float
    game: str
    size: int
    fps: float
    keys: dict[str, tuple[str, ...]]
    num_weights: int
    weights: str
    num_clips: int
    clips: str
    actions: str
    metrics: dict[str, Any]
    provenance: dict[str, Any]

    @classmethod
    def of(cls, path: Path) -> WorldFacts:
        """Read a file.

        Raises:
            MissingFileError: it is not there.
            CheckpointError: it is no world, or damaged.
            DataError: what it says of its actions is damaged.
        """
        header, keys = read_header(path), read_keys(path)
        try:
            with safe_open(path, framework="pt") as file:
                kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
                shapes = {name: file.get_slice(name).get_shape() for name in kinds}
            of_networks = [name for name in kinds if "." in name and not name.endswith("::scale")]
            packed = header.get("clips_shape")
            clips = packed or shapes.get("start_frames") or [0]
            held = {kinds[name] for name in of_networks}
            return cls(
                path=path,
                megabytes=path.stat().st_size / 1e6,
                game=visible(str(header.get("game") or ""))[:200],
                size=int(header["configs"]["tokenizer"]["frame_size"]),
                fps=float(header.get("fps") or 15),
                keys={hint.name: hint.keys for hint in key_hints(keys.key_map, keys.names)},
                num_weights=sum(math.prod(shapes[name]) for name in of_networks),
                weights="int8" if "I8" in held else "half" if "F16" in held else "float32",
                num_clips=int(clips[0]),
                clips="packed without loss" if packed else "plain",
                actions=str(header.get("actions") or "latent"),
                metrics=_table(header.get("metrics")),
                provenance=_table(header.get("provenance")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise CheckpointError(f"{path}: its settings are damaged ({error!r}): export it again") from None

    def _play_row(self, packed: bool) -> str:
        if not self.play_text:
            return "none stored; tinyworlds evaluate measures it"
        return f"{self.play_text}{'; measured before its weights were packed' if packed else ''}"

    @property
    def key_text(self) -> str:
        """The keys in a line: ``"left/a turn_left, space attack"``."""
        return ", ".join(f"{'/'.join(keys)} {name}" for name, keys in self.keys.items()) or "digits"

    @property
    def play_text(self) -> str:
        """The figures of its play test in a line; empty where there was none."""
        return ", ".join(self._play_parts())

    def _play_parts(self) -> Iterator[str]:
        bands = [self.metrics[name] for name in _READ_BACK if _is_number(self.metrics.get(name))]
        if bands:
            yield f"keys read back {min(bands):.2f} to {max(bands):.2f}"
        if _is_number(weakest := self.metrics.get("read_back_weakest")):
            yield f"the weakest {weakest:.2f}"
        least, most = self.metrics.get("life_least"), self.metrics.get("life_most")
        if _is_number(least) and _is_number(most):
            yield f"life {least:.2f} to {most:.2f}" + self._life_where_it_moves()
        if _is_number(drift := self.metrics.get("drift_ratio")):
            yield f"drift {drift:.1f}"

    def _life_where_it_moves(self) -> str:
        least, most = (self.metrics.get(f"life_{name}_moving") for name in ("least", "most"))
        if not (_is_number(least) and _is_number(most)) or (least, most) == (
            self.metrics["life_least"],
            self.metrics["life_most"],
        ):
            return ""
        return f" ({least:.2f} to {most:.2f} where the game moves)"

    @property
    def art(self) -> str:
        """Licences of what is seen; empty where the file does not say."""
        return visible(str(self.provenance.get("art") or ""))

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of everything, for a terminal or a table."""
        packing = _table(self.provenance.get("packing"))
        told = [
            ("file", f"{self.path}, {self.megabytes:.1f} MB"),
            ("game", self.game or "unknown"),
            ("frames", f"{self.size}x{self.size} at {self.fps:g} fps"),
            ("keys", self.key_text),
            ("actions", self.actions),
            ("weights", f"{self.num_weights:,} as {self.weights}{_cost(packing)}"),
            ("starts", f"{self.num_clips} clips, {self.clips}"),
            ("play test", self._play_row(bool(packing))),
            ("data", visible(", ".join(map(str, self.provenance.get("data") or ["unknown"])))),
        ]
        notes = _table(self.provenance.get("notes"))
        told += [("art", self.art)] if self.art else []
        return told + [(visible(str(name)), visible(str(value))) for name, value in notes.items()]


def _cost(packing: dict[str, Any]) -> str:
    equal, lost = packing.get("equal_codes"), packing.get("psnr_lost")
    if equal is None or not (_is_number(equal) and _is_number(lost)):
        return ""
    alike = 100 * float(equal)
    return f" (beside float32: {alike:.1f} % of the next codes alike, the tokenizer loses {lost:.2f} dB)"


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
