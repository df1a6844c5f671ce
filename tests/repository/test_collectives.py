"""No process asks alone for what all must ask for together: read from the code, without running it."""

import ast
from collections.abc import Iterator

import pytest
from paths import ROOT

COLLECTIVES = {"log_dir", "save_checkpoint", "barrier", "broadcast", "reduce", "all_reduce", "all_gather"}
COLLECTIVES |= {"reduce_boolean_decision", "gather", "all_gather_object", "broadcast_object_list"}
OF_TRAINER = {"log_dir", "save_checkpoint"}  # others have such names, too
RANKS = {"is_global_zero", "local_rank", "global_rank", "rank", "node_rank"}
MEETING = {"still_busy"}
"""The others wait in `Meeting.finish`, in the very same collective, until the one that works is done."""


def is_collective(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in COLLECTIVES:
        return False
    owner = ast.unparse(node.value)
    return node.attr not in OF_TRAINER or owner.endswith("trainer")


def asks_for_rank(test: ast.AST) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in RANKS for node in ast.walk(test))


def alone(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that not all processes come to: behind a check of the rank, or after one that left."""
    for number, statement in enumerate(body):
        if isinstance(statement, ast.If) and asks_for_rank(statement.test):
            yield from statement.body
            yield from statement.orelse
            if isinstance(statement.body[-1], ast.Return | ast.Continue | ast.Raise):
                yield from body[number + 1 :]
                return
        for name in ("body", "orelse", "finalbody"):
            yield from alone(getattr(statement, name, None) or [])


def called(nodes: list[ast.stmt]) -> set[str]:
    calls = [node.func for part in nodes for node in ast.walk(part) if isinstance(node, ast.Call)]
    return {
        f.attr if isinstance(f, ast.Attribute) else f.id
        for f in calls
        if isinstance(f, ast.Attribute | ast.Name)
    }


def faults(sources: dict[str, str]) -> list[str]:
    functions = {}
    for file, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append((file, node))
    asks = {
        name
        for name, found in functions.items()
        if any(is_collective(node) for _, function in found for node in ast.walk(function))
    } - MEETING
    # only names that one function has: "run", "save" and their like are everybody's
    through = {name for name in asks if len(functions[name]) == 1}
    told = []
    for name, found in functions.items():
        for file, function in found:
            only_first = any("rank_zero_only" in ast.unparse(each) for each in function.decorator_list)
            nodes = function.body if only_first else [*alone(function.body)]
            direct = any(is_collective(node) for part in nodes for node in ast.walk(part))
            if direct or called(nodes) & through:
                told.append(f"{file}: {name}")
    return told


@pytest.mark.slow
def test_no_collective_behind_a_check_of_the_rank() -> None:
    files = [*(ROOT / "tinyworlds").rglob("*.py"), *(ROOT / "callbacks").rglob("*.py")]
    assert faults({str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}) == []


ALONE = """
def f(trainer):
    if not trainer.is_global_zero:
        return
    print(trainer.log_dir)
---
def f(self, trainer):
    if trainer.global_rank == 0:
        trainer.strategy.barrier()
---
def f(trainer):
    if trainer.is_global_zero and wanted:
        with open("a") as file:
            trainer.save_checkpoint("a")
---
def where(trainer):
    return trainer.log_dir
def f(trainer):
    if trainer.is_global_zero:
        where(trainer)
---
@rank_zero_only
def f(self):
    self.trainer.strategy.broadcast(1)
"""
TOGETHER = """
def f(trainer):
    where = trainer.log_dir
    if trainer.is_global_zero:
        print(where, logger.log_dir)
"""


@pytest.mark.parametrize("source", ALONE.split("---"))
def test_what_it_finds(source: str) -> None:
    assert faults({"x.py": source}) == ["x.py: f"]


def test_what_it_leaves_alone() -> None:
    assert faults({"x.py": TOGETHER}) == []
