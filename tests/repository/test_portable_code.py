"""No call in the tree works on one system only, unless it stands behind a question for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

PACKAGES = ("tinyworlds", "games", "callbacks", "configs", "benchmarks", "tests")

POSIX_ONLY = {
    "os.fork", "os.forkpty", "os.getuid", "os.geteuid", "os.getgid", "os.uname", "os.setsid", "os.killpg",
    "os.sync", "os.mkfifo", "os.statvfs", "os.getloadavg", "os.sched_getaffinity", "os.sysconf", "os.wait",
    "os.nice", "signal.SIGKILL", "signal.SIGHUP", "signal.SIGALRM", "signal.alarm", "time.tzset",
}  # fmt: skip
NO_TEXT = ("av.", "Image.", "webbrowser.", "os.")
POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty"}
QUESTIONS = ("platform", "hasattr", "os.name", "skipif", "ImportError", "AttributeError", "def _mac_")


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def walk(tree: ast.AST, lines: list[str], guarded: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node and whether the function, branch or block around it asks which system this is."""
    waiting = [(tree, guarded)]
    while waiting:
        node, guarded = waiting.pop()
        yield node, guarded
        if not guarded and isinstance(node, ast.If | ast.IfExp | ast.Try | ast.With | ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            text = "\n".join(lines[first - 1 : node.end_lineno])
            guarded = any(question in text for question in QUESTIONS)
        waiting += [(child, guarded) for child in ast.iter_child_nodes(node)]


def without_encoding(node: ast.AST) -> bool:
    """Whether a call opens a text file in whatever encoding the system prefers."""
    if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
        return False
    name = dotted(node.func)
    last = node.func.attr if isinstance(node.func, ast.Attribute) else name
    given = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    given += [k.value.value for k in node.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)]
    if last == "read_text":
        return not node.args
    if last == "write_text":
        return len(node.args) == 1  # atomic.write_text(path, text) is always UTF-8
    if name == "open":
        return not any("b" in mode for mode in given[-1:])
    if last != "open" or name.startswith(NO_TEXT):
        return False
    return not node.args or (len(given) == len(node.args) == 1 and len(given[0]) <= 3 and "b" not in given[0])


def complaints(path: Path) -> list[str]:
    found = []
    text = path.read_text(encoding="utf-8")
    in_tests = path.relative_to(ROOT).parts[0] == "tests"
    asks = in_tests and "skipif" in text  # helpers of tests that are skipped stand without a question
    for node, guarded in walk(ast.parse(text), text.splitlines(), asks):
        where = f"{path.relative_to(ROOT).as_posix()}:{getattr(node, 'lineno', 0)}"
        name = dotted(node)
        if name in POSIX_ONLY and not guarded:
            found.append(f"{where}: {name} is not everywhere")
        if name == "os.rename":
            found.append(f"{where}: os.rename fails on Windows where the target exists; use atomic.replacing")
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if POSIX_MODULES & {*names} and not guarded:
            found.append(f"{where}: import of {names[0]} is not possible everywhere")
        if not in_tests and without_encoding(node):
            found.append(f"{where}: {ast.unparse(node)[:50]} names no encoding")
        if isinstance(node, ast.Call) and name_of_call(node) == "strftime" and bad_format(node):
            found.append(f"{where}: Windows knows no colon in a file name and no %s or %-d")
    return found


def name_of_call(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def bad_format(node: ast.Call) -> bool:
    formats = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return any(mark in text for text in formats for mark in (":", "%s", "%-", "%T", "%R"))


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.slow
def test_portable(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    assert [complaint for path in files for complaint in complaints(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "os.fork()",
        "os.rename(a, b)",
        "import fcntl",
        "open(path)",
        "open(path, 'w')",
        "path.open('w')",
        "path.read_text()",
        "path.write_text(text)",
        "now.strftime('%H:%M')",
        "process.send_signal(signal.SIGKILL)",
    ],
)
def test_the_search_finds(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(f"def f():\n    {line}\n", encoding="utf-8")
    assert len(complaints(tmp_path / "a.py")) == 1


@pytest.mark.parametrize(
    "line",
    ["open(path, 'rb')", "path.open('ab')", "h5py.File(path)", "x.read_text(encoding='utf-8')", "av.open(p)"],
)
def test_the_search_lets_pass(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(f"{line}\n", encoding="utf-8")
    assert complaints(tmp_path / "a.py") == []


def test_no_file_has_a_name_that_windows_refuses() -> None:
    skipped = {".git", ".venv", "data", "lightning_logs", "__pycache__", ".cache"}
    devices = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if skipped & {*parts}:
            continue
        assert not set('<>:"|?*\\') & set(path.name), path
        assert path.stem.lower() not in devices, path
        assert len(path.relative_to(ROOT).as_posix()) < 150, path
