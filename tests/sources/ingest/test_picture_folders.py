"""Folders of numbered pictures are videos."""

from pathlib import Path

import numpy as np
import pytest
from ingest_videos import draw, numbered_video, numbers_in
from PIL import Image

from tinyworlds.commands.cli import main
from tinyworlds.errors import DataError
from tinyworlds.media.picture_file import read_picture
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.files import find_videos
from tinyworlds.sources.ingest.picture_folder import PictureFolder
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.settings import Settings


def save(folder: Path, name: str, number: int, size: tuple[int, int] = (128, 96), **options: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(number, *size)).save(folder / name, **options)
    return folder / name


def frames_of(
    source: PictureFolder | Path, work: Path, **settings: object
) -> tuple[list[int], list[int], State]:
    job = Job(source, work, Settings(size=32, **settings), piece_bytes=7 * 32 * 32 * 3)
    state = extract(job, lambda position: None)
    found = [*Pieces(work).frames(state)]
    return numbers_in(f for f, _ in found), [i for i, (_, ends) in enumerate(found) if ends], state


@pytest.mark.parametrize("name", ["frame_{:04d}.png", "{}.jpg", "shot {:02d}.webp", "F{}.BMP", "a%d_{}.png"])
def test_each_picture_is_a_frame_in_natural_order(tmp_path: Path, name: str) -> None:
    for i in range(12):
        save(tmp_path / "frames", name.format(i), i)
    ((source,), errors) = find_videos([tmp_path / "frames"])
    assert not errors
    numbers, ends, state = frames_of(source, tmp_path / "work")
    assert numbers == [*range(12)]
    assert (ends, state.num_pictures, state.num_damaged) == ([], 12, 0)


def test_the_rate_of_the_pictures_can_be_said(tmp_path: Path) -> None:
    for i in range(40):
        save(tmp_path / "frames", f"{i}.png", i)
    ((source,), _) = find_videos([tmp_path / "frames"])
    assert frames_of(source, tmp_path / "1", source_fps=30)[0] == [*range(0, 40, 2)]
    assert frames_of(source, tmp_path / "2", source_fps=7.5)[0] == [i // 2 for i in range(80)]
    assert frames_of(source, tmp_path / "3", start_s=1.0)[0] == [*range(15, 40)]


def test_an_episode_ends_where_pictures_lack_or_change(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    for i in (*range(0, 20, 2), *range(30, 40, 2)):  # every second one, and a gap
        save(folder, f"f{i}.png", i)
    for i in range(40, 50, 2):
        save(folder, f"f{i}.png", i, size=(160, 96))
    (folder / "f46.png").write_bytes((folder / "f46.png").read_bytes()[:100])
    ((source,), _) = find_videos([folder])
    numbers, ends, state = frames_of(source, tmp_path / "work")
    assert numbers == [*range(0, 20, 2), *range(30, 46, 2), 48]
    assert [numbers[i] for i in ends] == [18, 38, 44]
    assert (state.num_changes, state.num_damaged) == (1, 1)


def test_what_belongs_together(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "episodes" / "10", f"{i}.png", 100 + i)
        save(tmp_path / "episodes" / "2", f"{i}.png", i)
        save(tmp_path / "two", f"walk_{i}.png", i)
        save(tmp_path / "two", f"jump_{i}.png", i)
        save(tmp_path / "times", f"Screenshot 2024-01-0{3 - i} 12-3{i}-00.png", i)
        save(tmp_path / "clips", f"clip{i}.jpg", i)  # what file managers leave beside videos
    save(tmp_path / "episodes", "cover.png", 0)
    numbered_video(tmp_path / "clips" / "clip1.mp4", 3)
    sources = {name: find_videos([tmp_path / name]) for name in ("episodes", "two", "times", "clips")}
    assert not any(errors for _, errors in sources.values())
    names = {name: [source.name for source in found] for name, (found, _) in sources.items()}
    assert names == {
        "episodes": ["2/#.png", "10/#.png"],
        "two": ["two/jump_#.png", "two/walk_#.png"],
        "times": ["times/Screenshot 2024-01-01 12-32-#.png"],
        "clips": ["clip1.mp4"],
    }
    (times,) = sources["times"][0]
    assert isinstance(times, PictureFolder)
    assert times.names[0].startswith("Screenshot 2024-01-01")


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = [save(tmp_path / "frames", f"frame_{i:04d}.png", i) for i in range(20)]
    words = ["--game", "f", "--size", "16", "--processes", "1"]
    assert main(["ingest", "frames", *words]) == 0
    out = capsys.readouterr().out
    assert "frames/frame_#.png: 20 pictures of 128x96, 15 a second, 20 frames" in out
    assert main(["ingest", *map(str, pictures), *words]) == 0
    told = capsys.readouterr().out.replace("\\", "/")
    assert "is in data/f_frames.h5 already" in told
    assert "--overwrite begins anew, with the options given now" in told
    assert main(["ingest", str(pictures[0]), *words]) == 1
    err = capsys.readouterr().err
    assert "is one picture; name the folder of all that belong together" in err
    assert str(pictures[0].parent) in err
    for path in pictures:
        path.write_bytes(b"no picture")
    assert main(["ingest", "frames", "--game", "g"]) == 1
    assert "not one picture of it can be decoded" in capsys.readouterr().err
    assert not Path("data/g_frames.h5").exists()


def test_pictures_of_every_kind(tmp_path: Path) -> None:
    colour = Image.fromarray(draw(5))
    deep = np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(read_picture(tmp_path / "deep.png")[..., 0], deep >> 8)
    for mode in ("L", "P", "1", "RGBA", "LA", "CMYK"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        colour.convert(mode).save(path)
        picture = read_picture(path)
        assert (picture.shape, picture.dtype) == ((96, 128, 3), np.uint8)
        assert np.abs(picture.astype(int).mean() - draw(5).mean()) < 12, mode
    clear = np.full((8, 8, 4), 200, np.uint8)
    clear[..., 3] = 255
    clear[:4, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").max(-1).max(-1).tolist() == [0] * 4 + [200] * 4
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(tmp_path / "turned.jpg", exif=turned)
    assert read_picture(tmp_path / "turned.jpg").shape == (128, 96, 3)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png is no picture that can be read") as error:
        read_picture(path)
    assert "\n" not in str(error.value)


def test_a_picture_that_says_it_is_huge(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 9000 9000 255\n")
    with pytest.raises(DataError, match="which is more than 8K"):
        read_picture(path)
