"""Install commands that fit the environment at hand, to be copied as they stand."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution, requires

from packaging.requirements import Requirement

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
