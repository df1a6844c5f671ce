"""The oldest packages that are tested are the oldest ones that pyproject.toml allows."""

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from paths import ROOT

tomllib = pytest.importorskip("tomllib", reason="part of Python since 3.11")


def bounds() -> dict[str, Version]:
    """Package to its lower bound in pyproject.toml, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needs = [Requirement(line) for group in (project["dependencies"], *extras) for line in group]
    found = {}
    for need in needs:
        if need.name == project["name"]:  # an extra that includes others
            continue
        lower = [spec.version for spec in need.specifier if spec.operator in (">=", "==", "~=")]
        assert len(lower) == 1, f"{need} needs one lower bound"
        found[canonicalize_name(need.name)] = Version(lower[0])
    return found


def pins() -> dict[str, Version]:
    lines = (ROOT / ".github" / "oldest-pins.txt").read_text(encoding="utf-8").splitlines()
    needs = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    assert all([spec.operator for spec in need.specifier] == ["=="] for need in needs)
    return {canonicalize_name(need.name): Version(next(iter(need.specifier)).version) for need in needs}


def test_every_bound_has_a_pin() -> None:
    assert {*pins()} == {*bounds()}


@pytest.mark.parametrize("name", sorted(bounds()))
def test_the_pin_is_the_bound(name: str) -> None:
    pin, bound = pins()[name], bounds()[name]
    assert pin >= bound
    # 4.11 and 4.11.0.86 are one release: the first that there is of the version that the bound names
    assert pin.release[: len(bound.release)] == bound.release
    assert not any(pin.release[len(bound.release) : 3])
