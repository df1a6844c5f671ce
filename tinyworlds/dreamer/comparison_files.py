"""A comparison as files: ``comparison.md``, ``comparison.json``, a curve and a strip."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from tinyworlds.dreamer.comparison import Comparison, band_names, pooled
from tinyworlds.evaluation.markdown import table_head, table_row
from tinyworlds.media.pictures import save_strip
from tinyworlds.media.plots import plot_axes, save_plot
from tinyworlds.system.files import write_text

_MOST_COLUMNS = 12
_LABEL = 40  # letters of a name in pictures


def comparison_table(found: Comparison) -> str:
    """The figures as a Markdown table, what was compared above it."""
    results = found.results
    lines = [
        f"{found.num_clips} clips, {found.source}; compared at {found.side} px.",
        *(f"{note}." for note in found.notes),
        "",
        *table_head("figure", *(f"{each.name}, {each.kind}" for each in results), "beside them"),
    ]
    horizon = len(found.repeat_psnr)
    for frame in (frame for frame in range(1, horizon + 1) if frame & (frame - 1) == 0 or frame == horizon):
        lines.append(
            table_row(
                f"PSNR of dreamt frame {frame}",
                *(f"{each.psnr[frame - 1]:.1f} dB" for each in results),
                f"last frame repeated: {found.repeat_psnr[frame - 1]:.1f} dB",
            )
        )
    lines.append(
        table_row(
            f"PSNR of frames 1 to {horizon}, pooled",
            *(f"{pooled(each.psnr):.1f} dB" for each in results),
            f"last frame repeated: {pooled(found.repeat_psnr):.1f} dB",
        )
    )
    game = sum(found.read_game.values()) / len(found.read_game)
    for number, band in enumerate(band_names()):
        shares = (f"{each.read_back[number]:.2f}" for each in results)
        lines.append(table_row(f"held key read back, {band}", *shares, f"true frames: {game:.2f}"))
    for key, true in found.read_game.items():
        shares = (f"{sum(each.keys[key]) / len(each.keys[key]):.2f}" for each in results)
        lines.append(table_row(f"{key} read back, all bands alike", *shares, f"true frames: {true:.2f}"))
    lines += [
        table_row("a frame, one player", *(f"{each.ms_a_frame:.1f} ms" for each in results), ""),
        table_row("parameters", *(f"{each.num_parameters:,}" for each in results), ""),
        table_row("its own pictures", *(f"{each.frame_size} px" for each in results), ""),
        table_row("true frames given", *(str(each.context) for each in results), ""),
    ]
    return "\n".join(lines) + "\n"


def save_comparison(folder: Path, found: Comparison) -> Path:
    """Write everything into a folder and return the report.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    figures = {
        "results": [asdict(each) | {"read_back": each.read_back} for each in found.results],
        "repeat_psnr": found.repeat_psnr,
        "read_game": found.read_game,
        "side": found.side,
        "num_clips": found.num_clips,
        "source": found.source,
        "notes": found.notes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "comparison.json", json.dumps(figures, indent=1) + "\n")
    _curve(folder / "comparison.png", found)
    _strip(folder / "dreams.png", found)
    pictures = "![PSNR by dreamt frame](comparison.png)\n\n![Truth, and what each dreams](dreams.png)\n"
    report = folder / "comparison.md"
    write_text(report, f"# World models on the same held-out clips\n\n{comparison_table(found)}\n{pictures}")
    return report


def _curve(path: Path, found: Comparison) -> None:
    figure, axes = plot_axes(6.0, 3.6)
    steps = range(1, len(found.repeat_psnr) + 1)
    for each in found.results:
        axes.plot(steps, each.psnr, marker="o", label=f"{_short(each.name)}, {each.kind}")
    axes.plot(steps, found.repeat_psnr, marker="s", linestyle="--", label="repeating the last given frame")
    axes.set_xlabel("dreamt frame")
    axes.set_ylabel("PSNR of the mean error, dB")
    axes.set_title(f"The same {found.num_clips} held-out clips, recorded actions", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_plot(path, figure)


def _strip(path: Path, found: Comparison) -> None:
    num_frames = found.shown.shape[1]
    columns = min(num_frames, _MOST_COLUMNS)
    steps = [round(index * (num_frames - 1) / max(columns - 1, 1)) for index in range(columns)]
    rows = [[row[step].numpy() for step in steps] for row in found.shown]
    labels = ["truth", *(_short(each.name) for each in found.results)]
    title = "The liveliest clip: what came, and what each dreams, frame by frame"
    save_strip(path, rows, labels, [str(step + 1) for step in steps], title)


def _short(name: str) -> str:
    return name if len(name) <= _LABEL else f"...{name[-_LABEL:]}"
