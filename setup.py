"""What `pyproject.toml` cannot say: README.md for the package index, and wheels with kernels.

On the index relative links lead nowhere. ``TINYWORLDS_KERNELS=1 python -m build --wheel`` compiles the
kernels into a wheel for machines like this one; without it the wheel is pure and serves all machines.
"""

import os
import re
import runpy
from pathlib import Path
from typing import Any

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

REPOSITORY = "https://github.com/tinyworlds/tinyworlds"


def readme() -> str:
    """README.md with links and pictures of the repository as addresses."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(r"((?<!!)\[[^\[\]]*\]\()(?![a-z]+:|#)", rf"\1{REPOSITORY}/blob/main/", text)


class BuildWithKernels(build_py):
    """Adds a folder of compiled kernels beside their sources."""

    def run(self) -> None:
        """Copy the package, then compile."""
        super().run()
        kernels = Path("tinyworlds", "nn", "kernels")
        prebuilt = runpy.run_path(str(Path(__file__).parent / kernels / "prebuilt.py"))
        prebuilt["build"](Path(self.build_lib) / kernels / "compiled")


class NotPure(Distribution):
    """A distribution with compiled code."""

    def has_ext_modules(self) -> bool:
        """Whether files go where compiled ones do."""
        return True


def with_kernels() -> dict[str, Any]:
    """What `setup` needs to make a wheel for any Python on one system: `ctypes` calls the kernels."""
    from setuptools.command.bdist_wheel import bdist_wheel

    class WheelOfOneSystem(bdist_wheel):
        def get_tag(self) -> tuple[str, str, str]:
            return "py3", "none", super().get_tag()[2]

    return {"distclass": NotPure, "cmdclass": {"build_py": BuildWithKernels, "bdist_wheel": WheelOfOneSystem}}


setup(
    long_description=readme(),
    long_description_content_type="text/markdown",
    **(with_kernels() if os.environ.get("TINYWORLDS_KERNELS") == "1" else {}),
)
