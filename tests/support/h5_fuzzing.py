"""Damaged copies of a gameplay file, each read in a child process that may crash or hang.

    python h5_fuzzing.py FILE FOLDER FIRST LAST damage|truncate

prints the number of each case before it is read, and how that went.
"""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

_HEADER_BYTES = 8192
_PATIENCE_S = 20.0  # without a word from the child
_BATCH = 500
CUTS_APART = 5
"""Bytes from one cut to the next: prime, so that the cuts fall on every byte of a word."""
_MORE_BYTES = 2**31  # twice the largest chunk or column


def damaged(content: bytes, case: int) -> bytes:
    """Flip, overwrite or replace some bytes near the start, where HDF5 keeps its structures."""
    chance, changed = random.Random(case), bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        place, kind = chance.randrange(min(len(content), _HEADER_BYTES)), chance.randrange(5)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place] = chance.choice([0, 1, 127, 128, 255])
        elif kind == 2:
            number = chance.choice([0, 2**31, 2**64 - 1, chance.randrange(2**64)])
            changed[place : place + 8] = number.to_bytes(8, "little")
        elif kind == 3:
            changed[place : place + 4] = chance.randrange(len(content)).to_bytes(4, "little")
        else:
            count = chance.randrange(1, 64)
            changed[place : place + count] = chance.randbytes(count)
    return bytes(changed)


def read_all(path: Path) -> None:
    """Read as training, inspection and evaluation do."""
    from tinyworlds.data.reader import FrameFile

    file = FrameFile(path)
    for start in (0, max(0, len(file) - 4)):
        file.frames(start, min(4, len(file)))
    assert file.actions is None or len(file.actions) == len(file)
    assert len(file.episode_ends)
    file.column("rewards", float)
    file.close()


def bound_memory() -> None:
    """Let this process have so much more memory than it starts with, where the system can tell."""
    import contextlib

    import tinyworlds.data.reader  # noqa: F401 (counts as what it starts with)

    with contextlib.suppress(ImportError, OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        limit = pages * resource.getpagesize() + _MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def outcome(path: Path) -> str:
    """Return "read", "refused", or what went wrong."""
    from tinyworlds.errors import TinyWorldsError

    try:
        read_all(path)
    except TinyWorldsError as error:
        return "refused" if "\n" not in str(error) else "several lines"
    except BaseException as error:
        return f"{type(error).__name__} {' '.join(str(error).split())[:80]}"
    return "read"


def count_outcomes(source: Path, folder: Path, first: int, last: int, kind: str) -> Counter:
    """Read cases `first` to `last` - 1 in children; return how often each outcome was seen."""
    counts: Counter = Counter()
    while first < last:
        stop = min(last, first + _BATCH)
        words = [sys.executable, __file__, str(source), str(folder), str(first), str(stop), kind]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            told, how = child.communicate(timeout=_PATIENCE_S + 0.2 * (stop - first))[0], "crashed"
        except subprocess.TimeoutExpired:
            child.kill()
            told, how = child.communicate()[0], "hung"
        lines = [line.split(" ", 1) for line in told.splitlines()]
        counts.update(line[1] for line in lines if line[1:])
        first = first + sum(len(line) > 1 for line in lines)
        if first < stop:
            counts[f"{how} (case {first})"] += 1
            first += 1
    return counts


def main() -> None:
    """What a child does."""
    import warnings

    warnings.simplefilter("ignore")
    bound_memory()
    source, folder, first, last, kind = sys.argv[1:]
    content = Path(source).read_bytes()
    for case in range(int(first), int(last)):
        path = Path(folder) / f"{case}.h5"
        path.write_bytes(content[: case * CUTS_APART] if kind == "truncate" else damaged(content, case))
        print(case, end=" ", flush=True)
        print(outcome(path), flush=True)
        path.unlink()


if __name__ == "__main__":
    main()
