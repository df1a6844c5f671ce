"""Findings for people: plain tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.actions.discovery import ActionReport, Discovery
from tinyworlds.actions.optical_flow import WORK_PX
from tinyworlds.system.shell import shown_command
from tinyworlds.world.info import nothing_found

if TYPE_CHECKING:
    from tinyworlds.actions.occurrence import Occurrence
    from tinyworlds.world.core import WorldCore
    from tinyworlds.world.keys import Keys


def findings(found: Discovery, world: WorldCore) -> str:
    """Return all tables: what each action does, how it goes with the true ones, the keys proposed."""
    counted = found.occurrence
    held = (
        f"{world.num_actions} actions ({world.info.actions}), held for {found.num_frames} frames from "
        f"{found.num_starts} starts"
    )
    where = (
        f"; counted in {counted.num_transitions:,} transitions of {counted.source}{_part(counted)}"
        if counted
        else ""
    )
    parts = [held + where, _actions(found, world)]
    if counted is not None and counted.table is not None:
        parts.append(_confusion(found, world))
    parts.append(_proposal(found))
    return "\n\n".join(parts)


def outcome(path: Path, world: WorldCore, keys: Keys, written: bool) -> str:
    """Say what was stored, or how to store it."""
    if written:
        return f"Stored in {path}."
    if (keys.key_map, keys.names, keys.idle) == (world.key_map, world.action_names, world.idle_action):
        return f"{path} has these keys and names already."
    here = ", ".join(f"{key}={action}" for key, action in world.key_map.items()) or "none"
    if path.is_dir():
        return f"The run's own keys: {here}. Export it to store others."
    return (
        f"Nothing was stored; {path} has the keys {here}. To store the proposal: "
        f"{shown_command('actions', path, '--write')}; to change single keys: --bind left=2"
    )


def _part(counted: Occurrence) -> str:
    return f" ({counted.part})" if counted.part else ""


def _actions(found: Discovery, world: WorldCore) -> str:
    unit = f"px of {min(WORK_PX, world.frame_size)}"
    head = ("action", "name", "does", f"flow right, down ({unit})", "moves", "in data", "keys", "remark")
    return _table([head, *(_row(found, report) for report in found.actions)])


def _row(found: Discovery, report: ActionReport) -> tuple[str, ...]:
    right, down = report.effect.flow
    return (
        str(report.action),
        report.name,
        report.does,
        f"{right:+.1f}, {down:+.1f}",
        f"{report.effect.moving:.0%}",
        "?" if report.share is None else f"{report.share:.1%}",
        " ".join(found.keys_of(report.action)),
        report.remark,
    )


def _confusion(found: Discovery, world: WorldCore) -> str:
    counted = found.occurrence
    assert counted is not None
    assert counted.table is not None
    head = ("true", *(f"{report.action} {report.name}" for report in found.actions))
    rows = [
        (name, *(f"{share:.0%}" for share in row / max(row.sum(), 1)))
        for name, row in zip(counted.true_names, counted.table, strict=True)
    ]
    kind, part = world.info.actions.capitalize(), counted.part
    told = (
        f"{kind} actions where a true one was taken (they tell {found.told:.2f} of it, NMI, 0 to 1, on {part}"
    )
    return f"{told}; on held-out ones: tinyworlds evaluate):\n{_table([head, *rows])}"


def _proposal(found: Discovery) -> str:
    names = found.proposal.names
    keys = ", ".join(f"{key} = {action} {names[action]}" for key, action in found.proposal.key_map.items())
    idle = found.proposal.idle
    told = f"Proposed keys, from {found.origin}: {keys or 'none'}; no key = {idle} {names[idle]}"
    missing = nothing_found(found.proposal.not_found)
    late = found.proposal.lag
    shown = f"the recording shows an action {late} transition{'s' * (late > 1)} late" if late else ""
    return "; ".join(filter(None, [told, missing, shown]))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
