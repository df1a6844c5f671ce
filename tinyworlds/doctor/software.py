"""Python, the packages that the program needs and how to install them, and Weights & Biases."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires, version

from packaging.requirements import Requirement

from tinyworlds import __version__
from tinyworlds.doctor.report import Finding, failure, ok, warning
from tinyworlds.training.wandb_account import is_logged_in

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


TORCH_INDEX = "https://download.pytorch.org/whl"


def installer() -> str:
    """Return how packages are installed here: environments made by uv have no pip.

    Its metadata tell. Looking for the module would ask setuptools' import hook, which warns where distutils
    has been imported.
    """
    try:
        distribution("pip")
    except PackageNotFoundError:
        return "uv pip"
    return "python -m pip"


def install_command(*packages: str) -> str:
    """Return the command that installs packages; names with versions or extras are quoted."""
    words = (f'"{name}"' if any(c in name for c in "<>=[,;! ") else name for name in packages)
    return f"{installer()} install {' '.join(words)}"


def torch_command(build: str) -> str:
    """Return the command that replaces PyTorch by the build called `build`, such as "cu126" or "cpu"."""
    again = "--force-reinstall" if installer().startswith("python") else "--reinstall-package torch"
    return f'{installer()} install {again} "{torch_requirement()}" --index-url {TORCH_INDEX}/{build}'


def torch_requirement() -> str:
    """Return which versions of PyTorch this package takes, such as "torch>=2.8,<2.14"."""
    try:
        found = [Requirement(line) for line in requires("tinyworlds") or ()]
    except PackageNotFoundError:
        found = []
    bounds = next((str(need.specifier) for need in found if need.name == "torch"), "")
    return "torch" + ",".join(sorted(bounds.split(","), reverse=True))


def check_wandb() -> Iterator[Finding]:
    """Whether runs would be sent, kept on disk, or not logged to W&B at all."""
    if importlib.util.find_spec("wandb") is None:
        yield warning("wandb is not installed: --wandb does not work", install_command("wandb"))
        return
    mode = os.environ.get("WANDB_MODE", "")
    if mode:
        yield ok(f"WANDB_MODE={mode} decides what --wandb does")
    elif is_logged_in():
        yield ok("logged in to W&B: --wandb sends runs")
    else:
        yield ok("not logged in to W&B: --wandb keeps runs on this disk", "to send them: wandb login")
