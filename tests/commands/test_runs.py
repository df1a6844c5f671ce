"""``tinyworlds runs``: runs and worlds beside each other, whatever state their folders are in."""

import json
from pathlib import Path

import pytest
from made_reports import made_play, made_report
from tiny_worlds import tiny_world

from tinyworlds.commands.cli import main
from tinyworlds.evaluation.run_facts import distinct_names, facts_of, read_curves
from tinyworlds.world.file import save_world

CONFIG = """
run: lightning_logs/{name}
trainer: {{max_steps: 20, default_root_dir: {name}}}
model: {{class_path: tinyworlds.DynamicsStage, init_args: {{learning_rate: {rate}, tokenizer: {name}.ckpt}}}}
data: {{game: pong}}
"""


def made_run(name, rate=0.1, value=30.0, folder="lightning_logs"):
    run = Path(folder) / name
    version = run / "dynamics" / "version_0"
    version.mkdir(parents=True)
    (version / "config.yaml").write_text(CONFIG.format(name=name, rate=rate))
    (version / "metrics.csv").write_text("step,train/loss,val/loss\n9,2.0,\n19,1.0,1.5\n")
    made_report(made_play(), psnr=value).write(run / "evaluation")
    return run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_settings_that_differ_figures_and_curves_are_shown(capsys):
    made_run("slow", 0.1, 30.0)
    made_run("fast", 0.4, 33.0)
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert next(line for line in lines if line.startswith("setting ")).split() == ["setting", "fast", "slow"]
    (differing,) = [line for line in lines if line.startswith("dynamics.model")]
    assert differing.split() == ["dynamics.model.learning_rate", "0.4", "0.1"], "where a run lies is none"
    assert next(line for line in lines if line.startswith("dynamics val/loss")).split()[2:] == ["1.5", "1.5"]
    row = next(line for line in lines if line.startswith("tokenizer: PSNR"))
    assert "33.00 dB (32.00 to 34.00)  30.00 dB (29.00 to 31.00)  31.50 dB  2.12 dB" in row
    written = {path.name for path in Path("lightning_logs/comparison").iterdir()}
    assert written == {"runs.html", "runs.md", "runs.json", "curves.png"}
    assert "data:image/png" in Path("lightning_logs/comparison/runs.html").read_text(encoding="utf-8")
    assert main(["runs"]) == 0
    assert "comparison " not in capsys.readouterr().out, "its own folder is no run"


def test_json_writes_nothing_unless_asked(capsys):
    made_run("a")
    assert main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["settings"]["dynamics.model.learning_rate"] == 0.1
    assert run["curves"]["dynamics"]["train/loss"] == [[10, 2.0], [20, 1.0]]
    assert run["figures"]["tokenizer_psnr"] == {"value": 30.0, "low": 29.0, "high": 31.0, "count": 6}
    assert not Path("lightning_logs/comparison").exists()
    assert main(["runs", "a", "--json", "--out", "there"]) == 0
    assert Path("there/runs.html").exists()


BROKEN = {
    "config.yaml": "trainer: [", "metrics.csv": "step,train/loss\n1,2\n2,nan\nx,3\n3", "run.json": "{",
}  # fmt: skip


@pytest.mark.parametrize("name", [*BROKEN, "metrics.json", "empty metrics.csv", "no files"])
def test_half_written_runs_break_nothing(name, capsys):
    made_run("good")
    run = made_run("half")
    version = run / "dynamics" / "version_0"
    if name == "no files":
        for file in (version / "config.yaml", version / "metrics.csv", run / "evaluation" / "metrics.json"):
            file.unlink()
    elif name == "metrics.json":
        (run / "evaluation" / name).write_text('{"figures": {"a": 3}}')
    elif name == "run.json":
        (run / name).write_text(BROKEN[name])
    else:
        (version / name.removeprefix("empty ")).write_text("" if "empty" in name else BROKEN[name])
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "half" in out
    assert ("half: " in out) == (name in ("config.yaml", "run.json", "metrics.json")), "what is wrong is told"
    assert main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2


def test_worlds_stand_beside_runs(capsys):
    made_run("a")
    save_world(Path("mine.world"), tiny_world())
    assert main(["runs", "a", "mine.world"]) == 0
    out = capsys.readouterr().out
    assert "mine" in out
    assert "a world" in out


def test_no_mean_over_runs_that_were_not_measured_alike(capsys):
    made_run("a")
    run = made_run("b")
    made_report(made_play(), data="another file").write(run / "evaluation")
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "Not measured on the same clips" in out
    assert "standard deviation" not in out


def test_curves_leave_out_what_is_no_number(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_bytes(b"step,a,b\n0,1,\n1,nan,2\n2,inf,\xff\nzz,4,4\n-5,1,1\n3,5")
    assert read_curves(file) == {"a": [(1, 1.0), (4, 5.0)], "b": [(2, 2.0)]}
    file.write_text("step,a\n" + "\n".join(f"{i},{i}" for i in range(9000)))
    assert len(read_curves(file)["a"]) < 2100
    assert read_curves(file)["a"][-1] == (9000, 8999.0)


def test_names_are_as_long_as_they_must_be():
    paths = [Path("x/a/run"), Path("x/b/run"), Path("c.world")]
    assert distinct_names(paths) == ["a/run", "b/run", "c"]


def test_there_must_be_something(capsys):
    assert main(["runs"]) != 0
    assert "there are no runs in lightning_logs" in capsys.readouterr().err
    Path("void").mkdir()
    assert main(["runs", "void"]) != 0
    assert "void is no run and holds none" in capsys.readouterr().err


def test_a_run_in_training_is_read_as_far_as_it_is():
    run = Path("lightning_logs/now")
    (run / "video_tokenizer" / "version_0").mkdir(parents=True)
    facts = facts_of(run)
    assert facts.stages == {"video_tokenizer": "begun"}
    assert (facts.figures, facts.measured, facts.problems) == ({}, "", [])
