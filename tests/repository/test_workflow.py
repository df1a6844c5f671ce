"""The GitHub workflow runs what .ci/run runs, where people are."""

import re

import yaml
from paths import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def script_commands() -> list[str]:
    """What .ci/run does once its environment is there."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(r"(pip|ruff|lint-imports|mypy|pytest|tinyworlds)\b", line)]


def test_ci_run_is_run_as_it_is() -> None:
    assert commands("newcomer") == [".ci/run"]


def test_three_systems_run_the_same_commands() -> None:
    assert len(script_commands()) >= 4
    assert commands("newest")[: len(script_commands())] == script_commands()
    systems = {name.split("-")[0] for name in JOBS["newest"]["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "windows", "macos"}


def test_the_oldest_packages_and_python() -> None:
    install, tests, *_ = commands("oldest")
    assert install.split() == [*script_commands()[0].split(), "-c", ".github/oldest-pins.txt"]
    assert tests == f"{script_commands()[-1]} -W default"
    wanted = re.search(
        r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    )
    assert wanted is not None
    setup = next(step for step in JOBS["oldest"]["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == wanted.group(1)


def test_one_job_has_no_extras() -> None:
    install = commands("without-extras")[0]
    assert "[" not in install
    assert "-e ." in install


def test_the_same_checks_run_before_a_commit() -> None:
    file = ROOT / ".pre-commit-config.yaml"
    (local,) = yaml.safe_load(file.read_text(encoding="utf-8"))["repos"]
    _, *checks, _ = script_commands()
    assert [hook["entry"] for hook in local["hooks"]] == checks
    assert not any(hook["pass_filenames"] for hook in local["hooks"]), "they look at everything"


def test_no_step_may_fail_unseen() -> None:
    for job in JOBS.values():
        assert "continue-on-error" not in job
        assert "timeout-minutes" in job
        for step in job["steps"]:
            assert "continue-on-error" not in step
            assert "||" not in step.get("run", "")


def test_the_workflow_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
