"""Data sets whose content lies in the very file that was opened, whole and readable.

HDF5 lets a name lead elsewhere: links to other files, virtual data sets that are made of others, raw bytes in
any file of the machine. Through a Python object HDF5 finds none of them, reads black instead, or calls itself
until the interpreter crashes; by name, a stranger's file could have any file of this machine read. So names
are followed here, within the file, and what leads out of it is refused before HDF5 reads. The same goes for
what was never written, which HDF5 reads as black, too.
"""

from __future__ import annotations

import math
import posixpath
from pathlib import Path

import h5py
from h5py import h5d, h5g, h5l, h5o, h5z

from tinyworlds.data.h5_open import superblock
from tinyworlds.data.object_header import is_virtual
from tinyworlds.errors import DataError
from tinyworlds.system.shell import shown_command

MAX_CHUNK_BYTES = 2**30  # is unpacked as a whole; more is a damaged header, or a trap
_MAX_LINKS = 16
# those of the package hdf5plugin; https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
_PLUGINS = {
    307: "bzip2", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32017: "sz",
    32018: "fcidecomp", 32024: "sz3", 32026: "blosc2", 32028: "sperr",
}  # fmt: skip


class Elsewhere(DataError):
    """The content of a data set lies in other files.

    Attributes:
        link: file and name that a link leads to; None for a virtual data set.
    """

    def __init__(self, message: str, link: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.link = link


def find(file: h5py.File, path: Path, name: str) -> h5py.Dataset | h5py.Group | None:
    """Return what a name stands for in an open file; None if there is nothing of that name.

    Args:
        file: the open file.
        path: of the file.
        name: of a data set or a group, from the root.

    Raises:
        Elsewhere: the content lies in other files.
        DataError: it lies in raw files, was never written, or is packed in a way that is not at hand.
    """
    found = follow(file, path, name)
    if isinstance(found, h5d.DatasetID):
        _check_here(found, path, name)
        _check_filters(found, path, name)
        _check_written(found, path, name)
        return h5py.Dataset(found)
    return h5py.Group(found) if isinstance(found, h5g.GroupID) else None


def check_group(path: Path, name: str, group: h5py.Group) -> None:
    """Check that nothing in a group, or in the groups in it, is a virtual data set.

    Raises:
        Elsewhere: something is.
    """
    with open(path, "rb") as handle:
        base, waiting, seen = superblock(handle, path.stat().st_size) or 0, [group.id], set()
        while waiting:
            place = waiting.pop()
            for key in list(place):
                info = place.links.get_info(key)
                if info.type != h5l.TYPE_HARD or info.u in seen:
                    continue
                seen.add(info.u)
                if is_virtual(handle, base, info.u):
                    raise Elsewhere(_virtual(path, f"{name}/.../{key!a}"))
                thing = h5o.open(place, key)
                if isinstance(thing, h5g.GroupID):
                    waiting.append(thing)


def dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """Return the data set of a name, see `find`.

    Raises:
        DataError: there is none, too.
    """
    found = find(file, path, name)
    if not isinstance(found, h5py.Dataset):
        what = "a group" if found is not None else "missing"
        raise DataError(f"{path}: the data set '{name}' is {what}; write the file again.")
    return found


def link_of(file: h5py.File, name: str) -> h5py.SoftLink | h5py.ExternalLink | None:
    """Return the link that a name in the root is, or None: it stands for a thing itself."""
    links, key = file.id.links, name.encode(errors="surrogateescape")
    kind = links.get_info(key).type
    if kind == h5l.TYPE_SOFT:
        return h5py.SoftLink(links.get_val(key))
    return h5py.ExternalLink(*links.get_val(key)) if kind == h5l.TYPE_EXTERNAL else None


def follow(
    file: h5py.File, path: Path, name: str, more: int = _MAX_LINKS, virtual_too: bool = False
) -> h5d.DatasetID | h5g.GroupID | h5o.ObjectID | None:
    """Return what a name leads to, over links within the file, at most `more` of them; None for nothing.

    `virtual_too` lets HDF5 open a virtual data set, which may crash the process.

    Raises:
        Elsewhere: it leads into another file, or to a virtual data set.
        DataError: it leads nowhere.
    """
    place, parts = file.id, [part for part in posixpath.normpath(f"/{name}").split("/") if part]
    node = h5o.open(place, b"/")
    for number, part in enumerate(parts):
        key = part.encode(errors="surrogateescape")
        if not isinstance(node, h5g.GroupID) or not node.links.exists(key):
            return None
        kind = node.links.get_info(key).type
        if kind == h5l.TYPE_HARD:
            if not virtual_too and _leads_to_virtual(path, node.links.get_info(key).u):
                raise Elsewhere(_virtual(path, name))
            node = h5o.open(node, key)
            continue
        rest = parts[number + 1 :]
        if kind == h5l.TYPE_SOFT and more:
            target = node.links.get_val(key).decode(errors="surrogateescape")
            return follow(
                file, path, posixpath.join("/", *parts[:number], target, *rest), more - 1, virtual_too
            )
        if kind == h5l.TYPE_EXTERNAL:
            other, inside = (text.decode(errors="replace") for text in node.links.get_val(key))
            message = f"{path}: '{name}' is a link into another file, {other!a}; {_copied(path)}"
            raise Elsewhere(message, (other, posixpath.join(inside, *rest)))
        raise DataError(f"{path}: '{name}' is a link that leads nowhere; write the data themselves.")
    return node


def _check_here(data: h5d.DatasetID, path: Path, name: str) -> None:
    made = data.get_create_plist()
    if made.get_external_count():
        raise DataError(
            f"{path}: the bytes of '{name}' lie in another file, {made.get_external(0)[0]!a}, which is not "
            "followed; write the data themselves."
        )


def _leads_to_virtual(path: Path, address: int) -> bool:
    with open(path, "rb") as handle:
        return is_virtual(handle, superblock(handle, path.stat().st_size) or 0, address)


def _virtual(path: Path, name: str) -> str:
    return f"{path}: '{name}' is a virtual data set, made of other files; {_copied(path)}"


def _copied(path: Path) -> str:
    return f"{shown_command('optimize', path)} NEW.h5 makes one file of them."


def _check_filters(data: h5d.DatasetID, path: Path, name: str) -> None:
    made = data.get_create_plist()
    filters = [made.get_filter(i) for i in range(made.get_nfilters())]
    missing = [number for number, *_ in filters if not h5z.filter_avail(number)]
    if missing and any(number in _PLUGINS for number in missing):
        _load_plugins()
        missing = [number for number in missing if not h5z.filter_avail(number)]
    if not missing or _is_passed_over(data, [number for number, *_ in filters], missing[0]):
        return
    told = next(text for number, *_, text in filters if number == missing[0]).decode(errors="replace")
    words = _PLUGINS.get(missing[0]) or "".join(c for c in told if c.isprintable())[:40] or "unnamed"
    remedy = "pip install hdf5plugin" if missing[0] in _PLUGINS else "write it again with gzip"
    raise DataError(
        f"{path}: '{name}' is packed with filter {missing[0]} ({words}), which is not here; {remedy}."
    )


def _load_plugins() -> None:
    """Let HDF5 know the filters of hdf5plugin, if it is installed."""
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return


def _is_passed_over(data: h5d.DatasetID, filters: list[int], missing: int) -> bool:
    """Whether the writer did not have the filter either and stored the content without."""
    return data.get_num_chunks() > 0 and bool(
        data.get_chunk_info(0).filter_mask >> filters.index(missing) & 1
    )


def _check_written(data: h5d.DatasetID, path: Path, name: str) -> None:
    made, shape = data.get_create_plist(), data.shape
    if 0 in shape or made.get_layout() == h5d.COMPACT:
        return
    if made.get_layout() == h5d.CONTIGUOUS:
        written = data.get_offset() is not None
        if written and data.get_offset() + data.get_storage_size() > path.stat().st_size:
            raise DataError(f"{path} is truncated within '{name}'; copy, download or record it again.")
    else:
        chunk = made.get_chunk()
        size = math.prod(chunk) * data.dtype.itemsize
        if size > MAX_CHUNK_BYTES:
            raise DataError(
                f"{path}: '{name}' is stored in chunks of {size / 2**30:,.1f} GiB; write it in smaller ones."
            )
        wanted = math.prod(-(-length // step) for length, step in zip(shape, chunk, strict=True))
        written = data.get_num_chunks() >= wanted
    if not written:
        raise DataError(
            f"{path}: some of '{name}' was never written (its program was stopped), and would read as black; "
            "record it again, or shorten it to what was written."
        )
