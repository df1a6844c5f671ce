"""Whole recordings are taken, whatever their last picture, sound and times do; cut ones are noticed."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from ingest_videos import draw, numbered_video, numbers_in, write_video
from PIL import Image

from tinyworlds.errors import DataError
from tinyworlds.sources.ingest.endings import is_whole
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.pieces import Pieces
from tinyworlds.sources.ingest.settings import Settings

VFR = {"times": [0.033 * i for i in range(60)]}
VP8 = {"codec": "libvpx", "options": {"deadline": "realtime"}}


def numbers_of(video: Path, **settings: object) -> list[int]:
    job = Job(video, video.parent / "pieces", Settings(size=32, **settings))
    state = extract(job, lambda position: None)
    return numbers_in(frame for frame, _ in Pieces(job.folder).frames(state))


@pytest.mark.parametrize(
    ("name", "settings", "last_s"),
    [
        ("changes_only.mp4", VFR | {"last_s": 6.0}, 6.0),
        ("changes_only.mkv", VFR | {"last_s": 6.0}, 6.0),
        ("changes_only.mov", VFR | {"last_s": 2.5, "sound_s": 5.0}, 2.5),
        ("two_seconds_each.mp4", {"rate": Fraction(1, 2)}, 2.0),
        ("two_seconds_each.avi", {"rate": Fraction(1, 2), "codec": "mpeg4"}, 2.0),
        ("starts_late.mkv", {"times": [5 + 0.033 * i for i in range(60)]}, 0.033),
        ("starts_late.mp4", {"times": [5 + 0.033 * i for i in range(60)]}, 0.033),
        ("starts_late.flv", {"times": [5 + 0.033 * i for i in range(60)]}, 0.033),
        ("longer_sound.flv", {"sound_s": 9.0}, 1 / 30),
        ("longer_sound.mkv", {"sound_s": 9.0}, 1 / 30),
        ("longer_sound.mp4", {"sound_s": 9.0}, 1 / 30),
        ("longer_sound.ts", {"sound_s": 9.0}, 1 / 30),
        ("later_and_longer.mkv", {"times": [5 + 0.033 * i for i in range(60)], "sound_s": 12.0}, 0.033),
        ("fragments.mp4", {"container": {"movflags": "+frag_keyframe+empty_moov"}}, 1 / 30),
        ("stays_for_an_hour.mp4", VFR | {"last_s": 3600.0}, 60.0),
    ],
)
def test_a_whole_recording_is_taken_up_to_its_end(
    tmp_path: Path, name: str, settings: dict, last_s: float
) -> None:
    numbers = numbers_of(numbered_video(tmp_path / name, 60, **settings))
    assert numbers[-1] in (58, 59)
    stays = sum(number == numbers[-1] for number in numbers)
    assert abs(stays - max(1, last_s * 15)) <= 2
    assert numbers == sorted(numbers)
    assert numbers.count(0) <= max(1, last_s * 15) + 1, "nothing is shown before the first picture"
    if "rate" not in settings:
        assert abs(len(numbers) - stays - 29) <= 1


def test_a_gif_that_pauses_on_its_last_picture(tmp_path: Path) -> None:
    pictures = [Image.fromarray(draw(i)) for i in range(30)]
    times = [70] * 29 + [4000]
    path = tmp_path / "pause.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0)
    numbers = numbers_of(path)
    assert abs(numbers.count(29) - 60) <= 1


CUT = {
    "index_in_front.mp4": {"container": {"movflags": "+faststart"}},
    "index_at_the_end.mp4": {},
    "fragments.mp4": {"container": {"movflags": "+frag_keyframe+empty_moov"}},
    "a.mkv": {},
    "with_sound.mkv": {"sound_s": 5.0},
    "a.webm": VP8,
    "live.webm": VP8 | {"container": {"live": "1"}},
    "a.ts": {},
    "a.avi": {"codec": "mpeg4"},
    "a.flv": {},
    "with_sound.flv": {"sound_s": 5.0},
    "a.gif": {"codec": "gif", "pixels": "rgb8"},
    "a.wmv": {"codec": "wmv2"},
}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_recording_is_refused_and_its_part_used_on_request(tmp_path: Path, name: str) -> None:
    video = numbered_video(tmp_path / name, 90, gop=10, **CUT[name])
    data = video.read_bytes()
    share = (len(data) // 2) // 188 * 188 + 90  # in the middle of a packet of a transport stream
    video.write_bytes(data[:share])
    with pytest.raises(DataError, match=r"is cut short: (0:0|the index)") as error:
        numbers_of(video)
    if "the index" in str(error.value):
        return
    numbers = numbers_of(video, keep_truncated=True)
    assert 6 < len(numbers) < 45
    if name != "with_sound.flv":
        assert len(set(numbers)) > len(numbers) * 0.9
    assert "--keep-truncated" in str(error.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "index_in_front.mp4", "a.webm"])
def test_a_download_whose_rest_never_came(tmp_path: Path, name: str) -> None:
    """Such a file has its full length from the beginning, and zeros in it."""
    video = numbered_video(tmp_path / name, 90, gop=10, **CUT[name])
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(DataError, match="is cut short: 0:0"):
        numbers_of(video)


@pytest.mark.parametrize("name", CUT)
def test_containers_say_how_long_they_are(tmp_path: Path, name: str) -> None:
    video = numbered_video(tmp_path / name, 20, **CUT[name])
    assert is_whole(video) is not False
    video.write_bytes(video.read_bytes()[:-90])
    # of a live recording every block has its length, but the last one may be what is missing
    assert is_whole(video) is False


def test_what_says_nothing_is_believed(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "raw.h264", 60)
    assert is_whole(path) is None
    assert numbers_of(path) == [*range(0, 60, 2)]
    for i, data in enumerate((b"", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08ftyp", b"RIFF", b"FLV", b"GIF89a", b"G")):
        part = tmp_path / f"{i}"
        part.write_bytes(data)
        assert is_whole(part) in (None, False)


def test_the_track_that_players_show(tmp_path: Path) -> None:
    """The one that is marked as default, not the first one; a cover is none."""
    import av

    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as file:
        tracks = [file.add_stream("libx264", rate=30) for _ in range(2)]
        for track, flags in zip(tracks, (0, 1), strict=True):
            track.width, track.height, track.pix_fmt = 128, 96, "yuv420p"
            track.disposition = av.stream.Disposition(flags)
        for i in range(30):
            for track, first in zip(tracks, (0, 500), strict=True):
                file.mux(track.encode(av.VideoFrame.from_ndarray(draw(first + i), format="rgb24")))
        for track in tracks:
            file.mux(track.encode())
    assert numbers_of(path) == [*range(500, 530, 2)]


def _streams(tmp_path: Path) -> dict[str, list[bytes]]:
    sizes = ((96, 128), (192, 256), (96, 160))
    kinds = {"ts": {}, "h264": {}}
    parts = {}
    for ending, settings in kinds.items():
        parts[ending] = [
            write_video(
                tmp_path / f"{i}.{ending}", [draw(100 * i + n, w, h) for n in range(30)], **settings
            ).read_bytes()
            for i, (h, w) in enumerate(sizes)
        ]
    return parts


@pytest.mark.parametrize("ending", ["ts", "h264"])
@pytest.mark.parametrize("piece_bytes", [1, 7 * 32 * 32 * 3, 2**20])
def test_a_stream_that_changes_goes_on_as_a_new_episode(
    tmp_path: Path, ending: str, piece_bytes: int
) -> None:
    path = tmp_path / f"all.{ending}"
    path.write_bytes(b"".join(_streams(tmp_path)[ending]))
    count, patience = 0, 41

    def interrupt(position: int) -> None:
        nonlocal count, patience
        count += 1
        if count == patience:
            count, patience = 0, patience + 7
            raise KeyboardInterrupt

    def frames(folder: str, report: object) -> tuple[list[int], list[int]]:
        job = Job(path, tmp_path / folder, Settings(size=32), piece_bytes=piece_bytes)
        while True:
            try:
                state = extract(job, report)
                break
            except KeyboardInterrupt:
                continue
        found = [*Pieces(job.folder).frames(state)]
        assert state.num_changes == 2
        return numbers_in(f for f, _ in found), [i for i, (_, ends) in enumerate(found) if ends]

    numbers, ends = frames("straight", lambda position: None)
    assert numbers == [*range(0, 30, 2), *range(100, 130, 2), *range(200, 230, 2)]
    assert ends == [14, 29]
    if piece_bytes < 2**20:
        assert frames("interrupted", interrupt) == (numbers, ends)


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("qtrle", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "argb"
        for _ in range(4):
            picture = np.full((64, 64, 4), 200, np.uint8)
            picture[:32, :, 0], picture[32:, :, 0] = 0, 255  # alpha comes first
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="argb")))
        file.mux(stream.encode())
    state = extract(Job(path, tmp_path / "p", Settings(size=32, crop="none")), lambda position: None)
    frame, _ = next(Pieces(tmp_path / "p").frames(state))
    assert frame[:15].max() < 3
    assert np.abs(frame[17:].astype(int) - 200).max() < 3
