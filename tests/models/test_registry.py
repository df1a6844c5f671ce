"""One table of stages: whatever the program asks of a stage by name stands in it, and nowhere else."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tinyworlds
from tinyworlds.checkpoints.v1_keys import STAGE_NAMES
from tinyworlds.commands import export
from tinyworlds.fit.config_files import shipped_configs
from tinyworlds.fit.parser import settings_by_stage
from tinyworlds.models.base import Network
from tinyworlds.models.fit import check_fit
from tinyworlds.models.registry import STAGE_OF_PART, STAGES, network_class
from tinyworlds.training.stages import STAGE_CLASSES
from tinyworlds.world.core import WorldCore

every_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)


@every_stage
def test_the_classes_it_names(stage):
    network, module = network_class(stage.name), STAGE_CLASSES[stage.name]
    assert issubclass(network, Network)
    assert (network.__name__, module.__name__, module.name) == (stage.network, stage.module, stage.name)
    assert {stage.network, stage.module} <= {*tinyworlds.__all__}
    assert {*inspect.signature(network).parameters} <= settings_by_stage()[stage.name]


@every_stage
def test_the_names_it_goes_by(stage):
    assert [*shipped_configs().glob(f"*_{stage.config_suffix}.yaml")]
    assert f"--{stage.option}" in export._parser().format_help()
    assert stage.part in inspect.signature(WorldCore).parameters
    assert stage.part in inspect.signature(check_fit).parameters
    assert STAGE_OF_PART[stage.part] == stage.name
    assert all(STAGE_NAMES[name] == stage.name for name in (stage.name, *stage.v1_names))


@every_stage
def test_partners_are_trained_before_and_can_be_named(stage):
    before = [*STAGES][: [*STAGES].index(stage.name)]
    options = {STAGES[name].part for name in stage.partners}
    assert {*stage.partners} <= {*before}
    assert options <= {*inspect.signature(STAGE_CLASSES[stage.name]).parameters}


@pytest.mark.parametrize("package", ["tinyworlds", "callbacks", "games", "benchmarks"])
def test_no_other_list_of_stages(package):
    """Lists of all stages, and tables from all stages to other names, are look-ups in the registry."""
    root = Path(tinyworlds.__file__).parents[1]
    for path in (root / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not {*STAGES} <= _names(node), f"{path}:{node.lineno}"


def _names(node: ast.AST) -> set[object]:
    """The texts in a list, or the keys of a table of texts; numbers and functions by stage are no names."""
    items = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []
    if isinstance(node, ast.Dict) and all(isinstance(value, ast.Constant) for value in node.values):
        items = node.keys if all(isinstance(value.value, str) for value in node.values) else []
    return {item.value for item in items if isinstance(item, ast.Constant)}


def test_asking_needs_no_torch():
    script = "import sys, tinyworlds.models.registry as r; print(*r.STAGES, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [*STAGES, "False"]
