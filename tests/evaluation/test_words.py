"""What a report says to a person, and the commands that it proposes."""

import json
import shlex
from pathlib import Path

import pytest
from made_reports import made_key, made_play, made_report

from tinyworlds.commands.cli import main
from tinyworlds.evaluation.next_steps import next_steps
from tinyworlds.evaluation.rows import Bar
from tinyworlds.evaluation.saved import read_report
from tinyworlds.evaluation.terminal import report_text
from tinyworlds.evaluation.words import sentences, steady_frames


def told(report):
    return "\n".join(f"{each.mood}: {each.text}" for each in sentences(report))


def test_keys_are_told_by_what_they_do_and_how_often():
    keys = (
        made_key("turn_left"),
        made_key("attack", share=0.6, pressed=("space",)),
        made_key("use", share=0.2, pressed=("e",)),
        made_key("jump", sent=None, pressed=()),
    )
    text = told(made_report(made_play(*keys)))
    assert "poor: 1 of 4 keys work" in text
    assert "fair: At times: shoot (Space) in 60 of 100 frames." in text
    assert "poor: Hardly: open, use (E) in 20 of 100 frames." in text
    assert "poor: Nothing was found for jump" in text
    assert "good: All 2 keys work: held, each is seen in 90 of 100 frames" in told(made_report(made_play()))
    assert "shoot (Space) fades" in told(
        made_report(made_play(made_key("attack", pressed=("space",), late=0.1)))
    )


@pytest.mark.parametrize(
    ("drift", "frames", "words"),
    [
        ((20, 20, 21, 22, 23, 24), 512, "good: No drift within 512 frames (51 s)"),
        ((20, 20, 21, 22, 23, 40), 256, "fair: It drifts after about 256 frames (26 s)"),
        ((20, 20, 30, 40, 50, 60), 32, "poor: It drifts after about 32 frames (3 s)"),
    ],
)
def test_drift_is_told_in_frames_and_seconds(drift, frames, words):
    play = made_play(drift=drift)
    assert steady_frames(play) == frames
    assert words in told(made_report(play))


def test_life_and_pictures_are_told():
    assert "moves less than the game does: turn left (A), 0.2 times" in told(
        made_report(made_play(made_key(life=0.2)))
    )
    assert "flickers, moving more than the game does: turn left (A), up to 3.0 times" in told(
        made_report(made_play(made_key(life=3.0)))
    )
    assert "poor: Its pictures are blurred: 20.0 dB" in told(made_report(psnr=20.0))
    assert "single episode" in told(made_report(num_episodes=1))


def test_without_a_play_test_it_is_told_whether_the_world_listens():
    assert "good: It listens" in told(made_report())
    assert "poor: What is pressed makes no certain difference" in told(made_report(gain=-1.0))


def run_of(folder, arguments=("--config", "configs/doom_dynamics.yaml", "--model.actions=labels")):
    version = folder / "dynamics" / "version_0"
    version.mkdir(parents=True)
    (version / "config.yaml").write_text("trainer: {max_steps: 150}\n")
    stages = {"dynamics": {"arguments": [*arguments, "--trainer.max_steps=150"]}}
    (folder / "run.json").write_text(json.dumps({"game": "doom", "stages": stages}))
    return folder


def test_the_next_command_trains_longer_what_drifts_and_is_a_command(tmp_path, capsys):
    run = run_of(tmp_path / "my run")
    drifting = made_report(made_play(drift=(20, 20, 30, 40, 50, 60)))
    step, play, export = next_steps(drifting, run)
    assert "against drift" in step.why
    words = shlex.split(step.command)[1:]
    assert words[-1] == "--trainer.max_steps=300"
    assert words.count("--run") == 1
    assert main([*words, "--print_config"]) == 0
    assert "max_steps: 300" in capsys.readouterr().out
    assert shlex.split(play.command) == ["tinyworlds", "play", str(run)]
    assert shlex.split(export.command)[-1] == "walk.world"
    steady = next_steps(made_report(made_play()), run)
    assert [each.why for each in steady] == [play.why, export.why]


def test_next_commands_follow_the_figures(tmp_path):
    run = run_of(tmp_path / "run")
    commands = [each.command for each in next_steps(made_report(), run)]
    assert commands[0].startswith("tinyworlds evaluate "), "no play test was made"
    wild = made_report(made_play(made_key(life=3.0)))
    assert any(each.command.endswith("--tune") for each in next_steps(wild, run))
    (run / "dynamics" / "version_0" / "sampling.json").write_text("{}")
    assert not any(each.command.endswith("--tune") for each in next_steps(wild, run)), "chosen already"
    missing = made_report(made_play(made_key(sent=None)), settings={"actions": "latent"})
    assert any("--model.actions=labels" in each.command for each in next_steps(missing, run))
    world = tmp_path / "a.world"
    world.touch()
    assert next_steps(missing, world)[0].command.startswith("tinyworlds actions ")


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"stages": 3}'])
def test_a_run_that_cannot_be_read_proposes_less(broken, tmp_path):
    run = run_of(tmp_path / "run")
    (run / "run.json").write_text(broken)
    steps = next_steps(made_report(made_play(drift=(20, 20, 30, 40, 50, 60))), run)
    assert steps
    assert not any("max_steps" in each.command for each in steps)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_it_is_drawn_within_its_width(width):
    report = made_report(made_play())
    text = report_text(report, {"tokenizer_psnr": Bar(40.0)}, [], True, width)
    plain = "".join(part.split("m", 1)[-1] for part in text.split("\x1b["))
    assert "│" in plain or "+" in plain
    assert max(map(len, plain.split("\n"))) <= width
    assert "\x1b[1;31mno" in text


def test_in_a_file_it_is_plain_text_whole_rows_and_no_markdown():
    report = made_report(made_play(made_key("a|b\x1b[2J*x*")))
    text = report_text(report, {"tokenizer_psnr": Bar(28.0)}, next_steps(report, Path("a.world")), False, 20)
    assert not {"\x1b", "│", "╭"} & set(text)
    assert "|--" not in text
    assert "a|b\\x1b[2J*x*" in text
    row = next(line for line in text.split("\n") if line.startswith("tokenizer: PSNR"))
    assert row.split("  ")[0] == "tokenizer: PSNR of the reconstruction"
    assert "30.00 dB (29.00 to 31.00)" in row
    assert "    tinyworlds play a.world" in text.split("\n")


def test_a_report_is_read_back_as_it_was_written(tmp_path):
    report = made_report(made_play())
    bars = {"tokenizer_psnr": Bar(28.0), "life_most": Bar(at_most=1.5)}
    report.write(tmp_path, bars)
    again, marks = read_report(tmp_path / "metrics.json")
    assert again.to_markdown(bars) == report.to_markdown(bars)
    assert (again.play, marks) == (report.play, bars)
