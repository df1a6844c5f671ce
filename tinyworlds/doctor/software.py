"""Python itself and the packages that the program needs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from tinyworlds import __version__
from tinyworlds.doctor.findings import Finding, failure, ok, warning
from tinyworlds.doctor.installing import install_command

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 14)
_OWN = "tinyworlds"
_EXTRAS = {"games": "real Doom", "atari": "real Atari games", "tensorboard": "TensorBoard logs"}


def check_python() -> Iterator[Finding]:
    """The interpreter: version, 64 bit, an environment of its own."""
    yield judge_python(sys.version_info[:2], sys.maxsize > 2**32)
    if sys.prefix == sys.base_prefix:
        yield warning(
            "this is the system's Python, not an environment of its own",
            "make one, so that other programs keep their packages: python -m venv .venv",
        )


def judge_python(found: tuple[int, int], is_64_bit: bool) -> Finding:
    """Say whether an interpreter will do."""
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if not is_64_bit:
        return failure(f"{text}, 32 bit", "install the 64-bit Python: there is no 32-bit PyTorch")
    if found < OLDEST_PYTHON:
        return failure(text, f"install Python {_dotted(OLDEST_PYTHON)} or newer")
    if found > NEWEST_PYTHON:
        return warning(
            f"{text}, which is newer than what was tested",
            f"if packages fail to install, use Python {_dotted(NEWEST_PYTHON)}",
        )
    return ok(f"{text}, tinyworlds {__version__}")


def check_packages() -> Iterator[Finding]:
    """Every requirement of the package against what is installed."""
    try:
        requirements = [Requirement(line) for line in requires(_OWN) or ()]
    except PackageNotFoundError:
        yield failure(
            "tinyworlds runs from a folder and is not installed, so other folders do not find it",
            "in its folder: pip install -e .",
        )
        return
    needed = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    wrong = list(_misfits(needed))
    yield from (failure(f"{found}", f"{install_command(str(need))}") for need, found in wrong)
    if not wrong:
        yield ok(f"all {len(needed)} required packages are installed, in versions that are supported")
    for extra, what in _EXTRAS.items():
        yield _judge_extra(extra, what, requirements)


def _judge_extra(extra: str, what: str, requirements: Iterable[Requirement]) -> Finding:
    markers = [(r, r.marker) for r in requirements if r.marker and not r.marker.evaluate({"extra": ""})]
    wrong = list(_misfits(r for r, marker in markers if marker.evaluate({"extra": extra})))
    if not wrong:
        return ok(f"extra '{extra}' ({what}) is installed")
    found = "; ".join(found for _, found in wrong)
    return ok(f"extra '{extra}' ({what}) is not there: {found}", install_command(f"{_OWN}[{extra}]"))


def _misfits(requirements: Iterable[Requirement]) -> Iterator[tuple[Requirement, str]]:
    """Yield those that are missing or of a wrong version, with what was found."""
    for need in requirements:
        bare = Requirement(f"{need.name}{need.specifier}")
        try:
            found = version(need.name)
        except PackageNotFoundError:
            yield bare, f"{need.name} is not installed"
            continue
        if not need.specifier.contains(found, prereleases=True):
            yield bare, f"{need.name} is {found}, needed is {need.specifier}"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
