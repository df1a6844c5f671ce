"""The machine: space, memory, compiler, codecs, OpenCV, display, W&B; each check by itself."""

import sys

import pytest

from tinyworlds.doctor import machine, pictures, software
from tinyworlds.errors import DisplayError, VideoError
from tinyworlds.media.video import write_encoded
from tinyworlds.play.window import display


def test_space_is_judged_by_what_is_needed(tmp_path):
    assert machine.judge_disk(tmp_path, 50).status == "ok"
    assert machine.judge_disk(tmp_path, 5).status == "warning"
    full = machine.judge_disk(tmp_path, 0.2)
    assert full.status == "failure"
    assert full.remedy


def test_disks_of_folders_that_are_not_there_yet(tmp_path):
    (finding,) = machine.check_disk(str(tmp_path / "a" / "b"), str(tmp_path / "c"))
    assert str(tmp_path) in finding.text, "both lie in one folder, told once"


def test_memory_of_this_machine():
    free, total = machine.available_memory()
    assert 2**27 < free <= total
    assert machine.judge_memory(16, 32).status == "ok"
    assert machine.judge_memory(2, 32).status == "warning"
    assert machine.judge_memory(0.5, 32).status == "failure"


def test_memory_as_linux_tells_it(tmp_path):
    text = "MemTotal: 24000000 kB\nMemFree: 1000000 kB\nMemAvailable:   20000000 kB\nHugePages_Total: 0\n"
    free, total = machine.parse_meminfo(text)
    assert (free, total) == (20_000_000 * 1024, 24_000_000 * 1024)
    (tmp_path / "memory.max").write_text("4000000000\n", encoding="ascii")
    (tmp_path / "memory.current").write_text("1000000000\n", encoding="ascii")
    assert machine._within_container(free, total, tmp_path) == (3_000_000_000, 4_000_000_000)
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert machine._within_container(free, total, tmp_path) == (free, total)


def test_memory_as_macos_tells_it():
    text = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            300000.
Pages inactive:                           20000.
Pages speculative:                         5000.
Pages purgeable:                           1000.
"""
    assert machine.parse_vm_stat(text) == 36_000 * 16384


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts as compilers")


@POSIX
def test_compilers(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    found = list(machine.check_compiler())
    assert [finding.status for finding in found] == ["warning"]
    assert "none of c++" in found[0].text
    monkeypatch.setattr(machine.prebuilt, "FOLDER", tmp_path)
    [finding] = machine.check_compiler()
    assert finding.status == "ok", "a wheel's kernels serve"
    assert "the wheel brought its kernels" in finding.text

    script = tmp_path / "c++"
    script.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    script.chmod(0o755)
    assert machine.find_compiler() == (
        None,
        "c++ is there but does not start",
    )  # as macOS has it without Xcode
    script.write_text("#!/bin/sh\necho 'c++ 14.1'\necho more\n", encoding="ascii")
    assert machine.find_compiler() == ("c++", "c++ 14.1")
    monkeypatch.setenv("CXX", "mine -m64")
    (tmp_path / "mine").write_text("#!/bin/sh\necho 'mine 1'\n", encoding="ascii")
    (tmp_path / "mine").chmod(0o755)
    assert machine.find_compiler() == ("mine", "mine 1")


@pytest.mark.parametrize(
    ("platform", "words"),
    [("win32", "Visual Studio"), ("darwin", "xcode-select"), ("linux", "apt install g++")],
)
def test_how_to_get_a_compiler(platform, words, monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", platform)
    assert words in machine.how_to_install()


def test_codecs_of_this_machine():
    found = list(pictures.check_codecs())
    assert [finding.status for finding in found] == ["ok"]
    assert "H.264" in found[0].text


def test_a_codec_that_fails_or_writes_something_else():
    def fails(path, frames, fps):
        raise VideoError("no libx264 in this build")

    def writes_noise(path, frames, fps):
        write_encoded(path, 255 - frames, fps)

    def writes_half(path, frames, fps):
        write_encoded(path, frames[:4], fps)

    for encoder, words in [(fails, "no libx264"), (writes_noise, "off by"), (writes_half, "(4, 64, 64, 3)")]:
        (finding,) = pictures.judge_codec("H.264", encoder, "pip install av")
        assert finding.status == "failure"
        assert words in finding.text
        assert finding.remedy == "pip install av"


def test_opencv(monkeypatch):
    monkeypatch.setattr(software, "installer", lambda: "python -m pip")
    assert pictures.judge_opencv({"opencv-python": "4.11.0"}).status == "ok"
    assert pictures.judge_opencv({"opencv-python-headless": "4.11.0"}).status == "ok"
    assert pictures.judge_opencv({}).remedy == "python -m pip install opencv-python"
    both = pictures.judge_opencv({"opencv-python": "4.11.0", "opencv-python-headless": "4.12.0"})
    assert both.status == "failure"
    remove, install = both.remedy.split("   and then   ")
    assert remove.endswith("uninstall -y opencv-python opencv-python-headless")
    assert install.endswith("install --force-reinstall --no-deps opencv-python")
    assert [finding.status for finding in pictures.check_opencv()] == ["ok"]


def test_an_opencv_whose_files_are_gone(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", type(sys)("cv2"))
    *_, last = pictures.check_opencv()
    assert last.status == "failure"
    assert "files are gone" in last.text


def test_display(monkeypatch):
    monkeypatch.setattr(display, "require_display", lambda: None)
    assert [finding.status for finding in pictures.check_display()] == ["ok"]

    def refuses():
        raise DisplayError("no display to open a window on: play without one")

    monkeypatch.setattr(display, "require_display", refuses)
    (finding,) = pictures.check_display()
    assert (finding.status, finding.text) == ("warning", "no display to open a window on: play without one")
