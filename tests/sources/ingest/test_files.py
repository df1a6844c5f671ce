"""Files as people have them: bad ones among good ones, folders, appending, several processes."""

import itertools
import json
import multiprocessing
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pytest
from gameplay_files import write_gameplay
from ingest_videos import draw, numbered_video, numbers_in, overlapping_mp4, write_sound, write_video

from tinyworlds.commands.cli import main
from tinyworlds.data.schema import read_info
from tinyworlds.errors import ConfigError, DataError, TinyWorldsError
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.files import find_videos
from tinyworlds.sources.ingest.reader import VideoReader
from tinyworlds.sources.ingest.run import Ingested, ingest
from tinyworlds.sources.ingest.settings import Settings, parse_crop, parse_time

Ingest = Callable[..., Ingested]


@pytest.fixture
def run(tmp_path: Path) -> Ingest:
    def run(*paths: Path, name: str = "g_frames.h5", **settings: object) -> Ingested:
        settings = {"num_processes": 1, "progress": False} | settings
        return ingest(paths, tmp_path / "data" / name, **settings)

    return run


def stored(path: Path) -> tuple[list[int], list[int]]:
    """The numbers the frames show, and where episodes end."""
    with h5py.File(path) as file:
        return numbers_in(file["frames"][:]), np.flatnonzero(file["episode_ends"][:]).tolist()


def bad_files(folder: Path) -> dict[str, Path]:
    good = numbered_video(folder / "good_enough.mp4", 150, container={"movflags": "+faststart"})
    data = good.read_bytes()
    files = {
        "such video": folder / "missing.mp4",
        "is empty": folder / "empty.mp4",
        "no video": folder / "text.mp4",
        "sound but no pictures": write_sound(folder / "sound.m4a"),
        "is cut short: 0:0": folder / "half.mp4",
        "its end is missing": folder / "no_index.mp4",
        "without videos or numbered pictures": folder / "folder",
    }
    files["is empty"].touch()
    files["no video"].write_text("hello " * 500)
    files["is cut short: 0:0"].write_bytes(data[: len(data) // 2])
    files["its end is missing"].write_bytes(numbered_video(folder / "x.mp4", 60).read_bytes()[:-3000])
    files["without videos or numbered pictures"].mkdir()
    return files


def test_bad_files_get_a_line_each_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = bad_files(tmp_path)
    good = numbered_video(tmp_path / "good.mp4", 60)
    words = [str(path) for path in (*bad.values(), good)]
    assert main(["ingest", *words, "--game", "mine", "--size", "16", "--processes", "2"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(bad)
    for reason, path in bad.items():
        assert sum(reason.split(":")[0] in line and str(path) in line for line in lines) == 1, (reason, lines)
    assert read_info("data/mine_frames.h5").num_frames == 30
    assert main(["ingest", words[1], "--game", "other"]) == 1
    assert not Path("data/other_frames.h5").exists(), "nothing usable, so no file"
    assert not Path("data/other.yaml").exists()


def test_the_readable_part_if_wanted(tmp_path: Path, run: Ingest) -> None:
    half = bad_files(tmp_path)["is cut short: 0:0"]
    done = run(half, settings=Settings(keep_truncated=True))
    assert not done.errors
    numbers, _ = stored(done.out)
    assert numbers == list(range(0, 2 * len(numbers), 2))
    assert 20 < len(numbers) < 75


def test_a_folder_in_its_natural_order(tmp_path: Path, run: Ingest) -> None:
    folder = tmp_path / "clips"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("10.mp4", "2.MKV", "sub/1.mp4")):
        numbered_video(folder / name, 30, first=100 * i)
    (folder / "notes.txt").write_text("no video")
    (folder / "._2.mp4").write_text("left by macOS")
    found, errors = find_videos([folder, folder / "2.MKV"])
    assert [path.name for path in found] == ["2.MKV", "10.mp4", "1.mp4"]
    assert not errors
    done = run(folder, num_processes=2)
    assert [record.name for record, _ in done.added] == ["2.MKV", "10.mp4", "1.mp4"]
    numbers, ends = stored(done.out)
    assert numbers == [*range(100, 130, 2), *range(0, 30, 2), *range(200, 230, 2)]
    assert ends == [14, 29, 44], "no window reaches from one video into the next"


def test_appending_adds_what_is_new_by_content(tmp_path: Path, run: Ingest) -> None:
    one, two = numbered_video(tmp_path / "1.mp4", 30), numbered_video(tmp_path / "2.mp4", 30, first=500)
    twin = tmp_path / "copy.mp4"
    twin.write_bytes(one.read_bytes())
    run(one)
    before = (tmp_path / "data/g_frames.h5").read_bytes()
    again = run(one, twin)
    assert again.present == ["1.mp4", "copy.mp4"]
    assert not again.added
    assert (tmp_path / "data/g_frames.h5").read_bytes() == before
    both = run(twin, two)
    assert stored(both.out) == ([*range(0, 30, 2), *range(500, 530, 2)], [14, 29])
    with h5py.File(both.out) as file:
        records = json.loads(file["videos"][()])
        assert file.attrs["fps"] == 15
    assert [(r["name"], r["first"], r["num_frames"]) for r in records] == [
        ("1.mp4", 0, 15),
        ("2.mp4", 15, 15),
    ]
    assert run(two, twin, name="h_frames.h5", overwrite=True).twins == []
    assert run(one, twin, name="i_frames.h5").twins == [("copy.mp4", "1.mp4")]
    only = run(two, overwrite=True)
    assert stored(only.out)[0] == list(range(500, 530, 2))


def test_what_cannot_be_appended_to(tmp_path: Path, run: Ingest) -> None:
    video = numbered_video(tmp_path / "1.mp4", 30)
    done = run(video)
    with pytest.raises(ConfigError, match="holds 64 px at 15 fps, asked for 32 px at 15 fps"):
        run(video, settings=Settings(size=32))
    recorded = write_gameplay(tmp_path / "data" / "recorded_frames.h5", num_episodes=1)
    before = recorded.read_bytes()
    with pytest.raises(DataError, match="was not made by ingest"):
        run(video, name="recorded_frames.h5")
    assert recorded.read_bytes() == before
    done.out.write_bytes(done.out.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"damaged|truncated"):
        run(video)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path, run: Ingest) -> None:
    videos = [numbered_video(tmp_path / f"{i}.mp4", 60 + 30 * i, first=1000 * i) for i in range(4)]
    one, two = run(*videos, name="a.h5"), run(*videos, name="b.h5", num_processes=2)
    assert stored(one.out) == stored(two.out)
    with h5py.File(one.out) as a, h5py.File(two.out) as b:
        assert np.array_equal(a["frames"][:], b["frames"][:])


@pytest.mark.slow
def test_a_crashing_decoder_costs_its_own_video(tmp_path: Path, run: Ingest) -> None:
    videos = [
        numbered_video(tmp_path / "long.mp4", 3000),
        numbered_video(tmp_path / "short.mp4", 30, first=900),
    ]

    def kill_first() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pieces = [*(tmp_path / "data").glob(".ingest/*/*/state.json")]
            if pieces and (children := multiprocessing.active_children()):
                return children[0].kill()
            time.sleep(0.01)

    killer = threading.Thread(target=kill_first)
    killer.start()
    told: list[TinyWorldsError] = []
    done = run(*videos, piece_bytes=10 * 64 * 64 * 3, say_error=told.append)
    killer.join()
    assert [str(error) for error in told] == [str(error) for error in done.errors]
    assert "long.mp4: its decoder crashed" in str(told[0])
    assert stored(done.out)[0] == list(range(900, 930, 2))


def test_pictures_that_change_their_size(tmp_path: Path, run: Ingest) -> None:
    parts = []
    for i, height in enumerate((96, 64)):
        pictures = [draw(n, height=height) for n in range(30)]
        parts.append(write_video(tmp_path / f"{i}.h264", pictures).read_bytes())
    whole = tmp_path / "both.h264"
    whole.write_bytes(b"".join(parts))
    done = run(whole)
    assert not done.errors
    numbers, ends = stored(done.out)
    assert numbers == [*range(0, 30, 2)] * 2
    assert ends == [14, 29], "an episode ends where the pictures change"


def test_a_picture_is_no_video(tmp_path: Path, run: Ingest) -> None:
    numbered_video(tmp_path / "one.mp4", 1)
    (error,) = run(tmp_path / "one.mp4").errors
    assert "single picture" in str(error)


def test_words_of_the_command() -> None:
    assert [parse_time(text) for text in ("90", "1:30", "0:01:30.5")] == [90, 90, 90.5]
    assert parse_crop("1,2,30,40") == (1, 2, 30, 40)
    for text in ("", "1:2:3:4", "-5", "a", "1e3", "nan"):
        with pytest.raises(ConfigError, match="--start"):
            parse_time(text)
    for text in ("", "1,2,3", "1,2,0,4", "-1,2,3,4", "yes"):
        with pytest.raises(ConfigError, match="--crop"):
            parse_crop(text)


@pytest.mark.parametrize(
    "words",
    [["x.mp4"], ["--game", "g"], ["x.mp4", "--game", "My Game"], ["x.mp4", "--game", "g", "--size", "63"],
     ["x.mp4", "--game", "g", "--fps", "0"], ["x.mp4", "--game", "g", "--sise", "64"]],
)  # fmt: skip
def test_wrong_words_are_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ingest", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_log_of_the_decoder_is_not_on_the_screen() -> None:
    assert av.logging.get_level() is None


NAMES = [
    "cap-2024-01-01T12:30:00.mp4", "http:x.mp4", "file:z.mp4", "concat:a|b.mp4", "|pipe.mp4", "-i.mp4",
    "shot_%03d.gif", "[0-9].gif", "?*.gif", "with space.mp4", "fünf.mp4", "100%.mp4", "a#b,c.mp4",
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_is_a_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video = numbered_video(tmp_path / "a.mp4", 6)
    gif = write_video(tmp_path / "a.gif", [draw(i) for i in range(6)], codec="gif", pixels="rgb8")
    for name in NAMES:
        Path(name).write_bytes((gif if name.endswith(".gif") else video).read_bytes())
        for path in (Path(name), tmp_path / name):
            with VideoReader(path) as reader:
                assert numbers_in(p.frame.to_ndarray(format="rgb24") for p in reader.pictures()) == [
                    *range(6)
                ]


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile a.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.ts\n#EXT-X-ENDLIST\n",
        "\x1b[31mred\x1b[0m\n" * 200,
    ],
)
def test_lists_of_other_files_are_no_videos(tmp_path: Path, text: str) -> None:
    for name in ("a.mp4", "a.ts"):
        numbered_video(tmp_path / name, 30)
    for ending in ("mp4", "m3u8", "ts", "txt", "ans"):
        path = tmp_path / f"list.{ending}"
        path.write_text(text)
        with pytest.raises(DataError, match="is no video that can be read"):
            VideoReader(path)


def test_times_that_make_days_of_a_few_pictures(tmp_path: Path) -> None:
    """A file of 20 kB, each of whose pictures stays for 59 s: one line, not an hour's work."""
    pictures = [draw(0)] * 400
    video = write_video(tmp_path / "a.mp4", pictures, times=[59.0 * i for i in range(400)])
    job = Job(video, tmp_path / "pieces", Settings(size=4, fps=1, crop="none"))
    with pytest.raises(DataError, match=r"a\.mp4: its first \d+ pictures take 1:0\d:\d\d; no game"):
        extract(job, lambda position: None)


def test_bytes_that_are_many_pictures_at_once(tmp_path: Path) -> None:
    """An index whose thousands of entries all name the same bytes."""
    path = tmp_path / "a.mp4"
    picture = cv2.imencode(".png", draw(1))[1].tobytes() + bytes(60_000)
    path.write_bytes(overlapping_mp4(picture, 5_000))
    with VideoReader(path) as reader:
        numbers = numbers_in(
            p.frame.to_ndarray(format="rgb24") for p in itertools.islice(reader.pictures(), 5)
        )
        assert numbers == [1] * 5, "it is well-formed but for that"
        with pytest.raises(DataError, match="the same bytes are many pictures"):
            list(reader.pictures())


def test_a_decoder_that_stands_still_ends(tmp_path: Path) -> None:
    """In a process of its own, since that ends."""
    code = (
        "import time; from tinyworlds.sources.ingest import pool; pool.SILENT_S = 1.0\n"
        "stuck = lambda job, report: ([(report(0), time.sleep(0.2)) for _ in range(10)],"
        " print('alive', flush=True), time.sleep(60))\n"
        "pool._work((stuck, None), lambda position: None, None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "alive\n", "")


def test_a_picture_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """434 bytes that say 16,000 x 16,000."""
    header = b"GIF89a" + struct.pack("<HHBBB", 16000, 16000, 0, 0, 0)
    picture = (
        b"\x2c" + struct.pack("<HHHHB", 0, 0, 16000, 16000, 0x80) + b"\0\0\0\xff\xff\xff\x02\x02\x4c\x01\0"
    )
    path = tmp_path / "a.gif"
    path.write_bytes(header + picture * 20 + b";")
    with pytest.raises(DataError, match="not one picture of it can be decoded"):
        extract(Job(path, tmp_path / "pieces", Settings()), lambda position: None)
