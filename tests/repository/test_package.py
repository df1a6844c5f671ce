"""What is installed: everything the program reads lies in the wheel, and its version stands in one place."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from paths import ROOT

import tinyworlds

PACKAGES = ("tinyworlds", "games", "callbacks", "configs")


def project() -> dict:
    tomllib = pytest.importorskip("tomllib", reason="part of Python since 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def kept_files() -> list[Path]:
    """Files of the packages that git keeps, relative to the repository."""
    done = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no git here")
    return [Path(line) for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def test_every_file_of_a_package_is_installed() -> None:
    data = project()["tool"]["setuptools"]["package-data"]
    for file in kept_files():
        if file.suffix == ".py":
            assert (ROOT / file.parent / "__init__.py").is_file(), f"{file} lies in no package"
            continue
        patterns = {
            f"{package.replace('.', '/')}/{pattern}" for package, own in data.items() for pattern in own
        }
        assert any(fnmatch(file.as_posix(), pattern) for pattern in patterns), f"{file} is not installed"


def test_nothing_else_is_installed_at_top_level() -> None:
    found = project()["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in found} == {*PACKAGES}


def test_the_version_stands_in_one_place() -> None:
    described = project()
    assert "version" in described["project"]["dynamic"]
    assert described["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "tinyworlds.__version__"}
    assert version("tinyworlds") == tinyworlds.__version__


def test_links_of_the_index_page_lead_into_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative ones lead nowhere there."""
    pytest.importorskip("setuptools")
    told: dict[str, str] = {}
    monkeypatch.setattr("setuptools.setup", lambda **words: told.update(words))
    runpy.run_path(str(ROOT / "setup.py"))
    targets = re.findall(r"\]\(([^)\s]+)\)", told["long_description"])
    assert targets
    for target in targets:
        assert target.startswith(("https://", "#")), target
        if found := re.match(r"https://github.com/tinyworlds/tinyworlds/(?:blob|raw)/main/([^#]+)", target):
            assert (ROOT / found[1]).exists(), target
            assert ("/raw/" in target) == (Path(found[1]).suffix in (".png", ".gif")), target


def release_notes(folder: Path, asked: str) -> subprocess.CompletedProcess[str]:
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release_notes", folder / ".ci")
    changes = "## [Unreleased]\n\n- later\n\n## [0.2.0] - 2027-01-01\n\n- new\n\n## [0.1.0]\n\n- old\n"
    (folder / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    command = [str(folder / ".ci" / "release_notes"), asked]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="a script for bash")
@pytest.mark.parametrize(("asked", "notes"), [("0.2.0", "- new"), ("0.1.0", "- old"), ("0.1", None)])
def test_release_notes_are_the_section_of_the_version(tmp_path: Path, asked: str, notes: str | None) -> None:
    done = release_notes(tmp_path, asked)
    assert (done.returncode == 0) == (notes is not None)
    assert done.stdout.strip() == (notes or "")


def test_publishing_needs_a_tag_a_switch_and_no_password() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    publish = workflow["jobs"]["publish"]
    assert publish["if"] == "github.ref_type == 'tag' && vars.PUBLISH == 'true'"
    assert {*publish["needs"]} == {*workflow["jobs"]} - {"publish"}, "everything is built and tested before"
    assert "secrets." not in text
    allowed = [name for name, job in workflow["jobs"].items() if "id-token" in job.get("permissions", {})]
    assert allowed == ["publish"]
    assert workflow["permissions"] == {"contents": "read"}


def test_the_site_is_built_by_what_the_extra_names() -> None:
    text = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    install = next(step["run"] for step in jobs["build"]["steps"] if step.get("run", "").startswith("pip"))
    assert shlex.split(install)[2:] == project()["project"]["optional-dependencies"]["docs"]
    assert jobs["deploy"]["if"] == "vars.SITE == 'true'"
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_wheels_with_kernels_are_checked_before_they_are_published() -> None:
    settings = project()["tool"]["cibuildwheel"]
    assert settings["environment"]["TINYWORLDS_KERNELS"] == "1"
    assert 'environ.get("TINYWORLDS_KERNELS") == "1"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    checked = settings["test-command"].removeprefix("python {project}/")
    assert (ROOT / checked).is_file()


def test_the_image_copies_what_the_package_is_built_from() -> None:
    """Docker leaves out what .dockerignore does not name."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert kept >= {*PACKAGES, "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"}
