"""A report on a terminal: sentences, tables drawn by rich, next commands; plain text in a file or a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinyworlds.evaluation.drawn import COLOURS, MARKS, draw, lines_of, new_console, screen
from tinyworlds.evaluation.markdown import Table
from tinyworlds.evaluation.rows import PLAYED, Bar, all_rows
from tinyworlds.evaluation.text import basis, met_cell, value_cell, whole_cell
from tinyworlds.evaluation.words import KeyWords, key_words, sentences
from tinyworlds.system.text import visible

if TYPE_CHECKING:
    from tinyworlds.evaluation.next_steps import Step
    from tinyworlds.evaluation.play_test.result import PlayTest
    from tinyworlds.evaluation.report import Report

_ALWAYS = ("tokenizer_psnr", "one_step_gain_pooled", "rollout_gain_pooled", "delta_t_psnr")


def print_report(report: Report, bars: Mapping[str, Bar], steps: Sequence[Step]) -> None:
    """Print what a report says, for a person."""
    print(report_text(report, bars, steps, *screen()))


def report_text(
    report: Report, bars: Mapping[str, Bar], steps: Sequence[Step], on_terminal: bool, width: int
) -> str:
    """Return what a report says, for a person.

    Args:
        report: the figures.
        bars: what they must reach.
        steps: what to do next.
        on_terminal: whether to draw and to colour.
        width: columns of the terminal.
    """
    from rich.text import Text

    console, held = new_console(on_terminal, width)
    console.print(Text(f"{report.game or 'World'}, measured on what was held out", style="bold"))
    for sentence in sentences(report):
        mark = f"{MARKS[sentence.mood]} ", f"bold {COLOURS[sentence.mood]}"
        console.print(Text.assemble(mark, visible(sentence.text)))
    if report.play is not None:
        console.print()
        draw(console, keys_table(key_words(report.play)), on_terminal)
        console.print(Text(keys_note(report.play), style="dim"))
    console.print()
    draw(console, figures_table(report, bars), on_terminal)
    console.print(Text(basis(report), style="dim"))
    if steps:
        console.print()
        console.print(Text("Next", style="bold"))
        for step in steps:
            console.print(Text(f"  {step.why}:"))
            console.print(Text(f"    {step.command}", style="cyan"), soft_wrap=True)  # to be copied whole
    return lines_of(held)


def keys_table(keys: Sequence[KeyWords]) -> Table:
    """Each key in a row, the weakest first; `keys_note` says what the columns are."""
    table = Table(("key", "does", "", "seen", "at first", "later", "in the game", "moves"))
    for key in keys:
        early, late = (None, None) if key.share is None else (key.early, key.late)
        shares = ["" if each is None else f"{100 * each:.0f} %" for each in (key.share, early, late)]
        life = "" if key.life is None or key.share is None else f"{key.life[0]:.1f} to {key.life[1]:.1f} x"
        verdict = f"{MARKS[key.mood]} {key.verdict}"
        table.add(key.keys, key.does, verdict, *shares, f"{100 * key.reachable:.0f} %", life)
    return table


def keys_note(play: PlayTest) -> str:
    """What stands in a table of keys."""
    (first, last), late, end = play.bands[0], play.bands[-1][0], play.bands[-1][1]
    return (
        f"seen: in how many of the frames a key shows while it is held for {end} frames; at first: frames "
        f"{first} to {last}; later: from frame {late}; in the game: the same in true frames, more cannot be "
        f"expected, by chance it is {100 / len(play.keys):.0f} %; moves: change a frame beside the game's."
    )


def figures_table(report: Report, bars: Mapping[str, Bar]) -> Table:
    """The figures that have a mark, and those that everybody asks for, beside what the keys' table says."""
    wanted = {*bars, *_ALWAYS, *(f"{row}_{report.headline}" for row in _ALWAYS)}
    if report.play is not None:
        wanted -= PLAYED.keys() - {*report.missed(dict(bars))}
    table = Table(("figure", "value (95 % interval)", "asked", "met"))
    for key, title, _, unit in all_rows():
        found, bar = report.figures.get(key), bars.get(key)
        if key in wanted and (found or bar):
            asked = [str(bar), met_cell(bar, found)] if bar else ["", ""]
            table.add(title, whole_cell(found, unit) if found else value_cell(None, unit), *asked)
    return table
