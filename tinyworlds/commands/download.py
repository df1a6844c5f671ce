"""``tinyworlds download datasets|models|worlds``: what there is, what is missing, fetch, what next."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinyworlds.errors import ConfigError, MissingFileError, StorageError
from tinyworlds.sources.hub.fetch import GOES_ON, Item, check_space, fetch, format_bytes, plan
from tinyworlds.sources.hub.kinds import DATASETS, KINDS, MODELS, WORLDS, Kind
from tinyworlds.sources.hub.listing import Listing, Source, select
from tinyworlds.sources.hub.remembered import recall, remember
from tinyworlds.system.files import storing
from tinyworlds.system.locks import locked
from tinyworlds.system.options import call
from tinyworlds.system.shell import shown_command


def main(argv: list[str]) -> int:
    """Run ``tinyworlds download``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    return call(
        download,
        argv,
        "tinyworlds download",
        sections={
            "what": ("pattern", "suite", "dry_run"),
            "from where": ("repo", "revision", "source", "offline"),
            "to where": ("out", "overwrite"),
        },
        examples=(
            "tinyworlds download datasets --pattern zelda_frames.h5",
            "tinyworlds download models --suite sonic --dry_run",
        ),
    )


def download(
    kind: Literal["datasets", "models", "worlds"],
    pattern: list[str] | None = None,
    suite: str | None = None,
    out: str | None = None,
    repo: str | None = None,
    revision: str = "main",
    source: str | None = None,
    offline: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
) -> int:
    """Fetch public files, verified and resumable. Without options: all of that kind.

    Args:
        kind: datasets: gameplay files into data/; models: weights of the original program into models/SUITE/;
            worlds: .world files into worlds/.
        pattern: names of files, such as zelda_frames.h5 or "*.h5"; default: all.
        suite: of the models, a folder of the repository, such as sonic; default: all.
        out: folder to put them in; default: data, models or worlds.
        repo: repository on the hub, OWNER/NAME; default: AlmondGod/tinyworlds, of models and worlds
            AlmondGod/tinyworlds-models.
        revision: branch, tag or commit of it.
        source: folder to copy from instead of the hub, laid out as the repository.
        offline: use no network: verify what is here against what the hub said last time.
        overwrite: replace files here that differ from the published ones.
        dry_run: show what would be fetched, and fetch nothing.
    """
    what = KINDS[kind]
    folder, repo = Path(out or what.folder), repo or what.repo
    if suite is not None and what is not MODELS:
        raise ConfigError(f"--suite is for models; choose among the {kind} with --pattern")
    files_from = _source(source, offline, repo, what.repo_type, revision)
    listing = files_from.listing() if files_from else recall(folder, repo)
    files = select(listing, what.suffixes, pattern, suite)
    if files_from:
        files = [files_from.with_checksum(file) for file in files]
    items = plan(files, folder, what.name_here, overwrite)
    missing = [item for item in items if not item.here]
    _show(listing, items)
    if missing:
        free = format_bytes(check_space(missing, folder))
        size = format_bytes(sum(item.missing_bytes for item in missing))
        print(f"to fetch: {size} into {folder.as_posix()}, where {free} are free", flush=True)
    if dry_run:
        return 0
    if listing.revision:
        with contextlib.suppress(StorageError):  # only --offline wants it, and it can say so
            remember(folder, listing)
    if missing:
        _fetch_all(files_from, missing, folder)
    for command in _next_commands(what, [item.target for item in items], folder):
        print(f"next: {command}")
    return 0


def _source(folder: str | None, offline: bool, repo: str, repo_type: str, revision: str) -> Source | None:
    """Where to read from; nowhere when offline."""
    if folder is not None:
        from tinyworlds.sources.hub.folder_source import FolderSource

        return FolderSource(folder)
    if offline:
        return None
    from tinyworlds.sources.hub.hub_source import HubSource

    return HubSource(repo, repo_type, revision)


def _show(listing: Listing, items: Sequence[Item]) -> None:
    print(f"{listing.origin} {listing.revision[:12]}".strip())
    width = max(len(item.file.name) for item in items)
    for item in items:
        begun = item.file.size - item.missing_bytes
        state = "here, verified" if item.here else "to fetch"
        if begun and not item.here:
            state += f", {format_bytes(begun)} came before"
        print(f"  {item.file.name:<{width}}  {format_bytes(item.file.size):>10}  {state}")


def _fetch_all(source: Source | None, missing: Sequence[Item], folder: Path) -> None:
    """Fetch one file after the other; a second process that wants the same folder waits."""
    if source is None:
        raise MissingFileError(
            f"{missing[0].file.name} is not in {folder} (or not whole) and --offline fetches nothing: run "
            "this without --offline, or give a copy of the repository with --source FOLDER"
        )
    try:
        with storing(folder, GOES_ON), locked(folder / ".cache" / "hub.lock", f"fetching into {folder}"):
            for item in missing:
                fetch(source, item)
                print(f"{item.target.as_posix()}: fetched and verified", flush=True)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was", file=sys.stderr)
        raise


def _next_commands(kind: Kind, targets: Sequence[Path], folder: Path) -> list[str]:
    """Return what to type once the files are here."""
    if kind is DATASETS:
        return [_train(path) for path in targets]
    if kind is WORLDS:
        return [shown_command("play", path.as_posix()) for path in targets]
    tops = {path.relative_to(folder).parts[0] for path in targets if path.parent != folder}
    suites = sorted(tops) or [""]
    return [command for suite in suites for command in _play(suite, folder)]


def _train(path: Path) -> str:
    game = path.stem.removesuffix("_frames")
    expected = _data_files().get(game)
    return shown_command("train", game, *(() if expected == path else ("--data.files", path.as_posix())))


def _play(suite: str, folder: Path) -> list[str]:
    weights, data = (folder / suite).as_posix(), _data_files().get(suite)
    if data is None:
        return [shown_command("play", weights)]
    fetch = [] if data.exists() else [shown_command("download", "datasets", "--pattern", data.name)]
    world = f"{WORLDS.folder}/{suite}.world"  # weights alone have no frames to start from
    return [
        *fetch,
        shown_command("export", weights, world, "--data", data.as_posix()),
        shown_command("play", world),
    ]


def _data_files() -> dict[str, Path]:
    """Where each title known here expects its gameplay."""
    from games.registry import get, titles
    from tinyworlds.errors import ConfigError

    files = {}
    for name in titles():
        try:
            files[name] = Path(get(name).data_file)
        except ConfigError:  # a broken package costs its own title only
            continue
    return files
