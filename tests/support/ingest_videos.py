"""Real video files whose every picture says which one it is."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH, HEIGHT = 128, 96
_BITS = 8


def draw(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 [height,width,3]: two rows of eight blocks with the bits of `number`, below a moving square."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[...] = np.linspace(60, 160, width).astype(np.uint8)[None, :, None] * np.array([1.0, 0.8, 0.5])
    row, column = height // 4, width // _BITS
    for bit in range(2 * _BITS):
        top, left = bit // _BITS * row, bit % _BITS * column
        picture[top : top + row, left : left + column] = 230 if number >> bit & 1 else 40
    x = number * 4 % (width - width // 8)
    picture[height * 5 // 8 : height * 7 // 8, x : x + width // 8] = (220, 40, 40)
    return picture


def number_in(frame: np.ndarray) -> int:
    """The number that a stored frame, or a whole picture, shows."""
    height, width = frame.shape[:2]
    y = [height // 8, height * 3 // 8]
    x = [(2 * i + 1) * width // (2 * _BITS) for i in range(_BITS)]
    bits = [frame[y[bit // _BITS], x[bit % _BITS]].mean() > 128 for bit in range(2 * _BITS)]
    return sum(1 << bit for bit, on in enumerate(bits) if on)


def numbers_in(frames: Iterable[np.ndarray]) -> list[int]:
    return [number_in(frame) for frame in frames]


def shrunk(picture: np.ndarray, size: int) -> np.ndarray:
    """What a stored frame of `picture` should look like."""
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: Fraction | int = 30,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    gop: int = 30,
    last_s: float | None = None,
    sound_s: float = 0.0,
) -> Path:
    """Write a video.

    `times` in seconds make it one of variable frame rate, `last_s` lets its last picture stay for so long,
    `sound_s` adds seconds of silence.
    """
    with av.open(f"file:{path}", "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=1000 if times is not None else rate)
        silence = file.add_stream("aac", rate=44100) if sound_s else None
        packets = []
        stream.pix_fmt = pixels
        stream.gop_size = gop
        quality = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {}
        stream.options = quality | (options or {})
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            stream.codec_context.max_b_frames = 0
        for i, picture in enumerate(pictures):
            if i == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 1000), Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode()
        if last_s is not None:
            for packet in packets:
                packet.duration = round(Fraction(1, 30) / packet.time_base)
            packets[-1].duration = round(last_s / packet.time_base)
        for packet in packets:
            file.mux(packet)
        if silence is not None:
            _write_silence(file, silence, sound_s)
    return path


def _write_silence(file: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
    for i in range(round(seconds * 44100 / 1024)):
        frame.sample_rate, frame.pts, frame.time_base = 44100, i * 1024, Fraction(1, 44100)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def numbered_video(path: Path, count: int, first: int = 0, **settings: object) -> Path:
    return write_video(path, (draw(first + i) for i in range(count)), **settings)


def write_sound(path: Path) -> Path:
    """A second of silence, as a sound file without pictures."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        for i in range(8):
            frame.pts = i * 1024
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix (a, b, c, d) into an MP4, as a phone does that is held upright."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def expected_numbers(times: Sequence[float], fps: float, interval: float, end: float) -> list[int]:
    """By the definition: at each tick the picture that is shown; one half an interval later counts."""
    slack = 0.49 * min(interval, 1 / fps)
    ticks = np.arange(0, 10**6) / fps
    ticks = ticks[ticks + slack < end - 1e-9]
    return [int(np.flatnonzero(np.array(times) <= tick + slack + 1e-9)[-1]) for tick in ticks]


def overlapping_mp4(picture: bytes, count: int) -> bytes:
    """An MP4 whose index says `count` times that the one picture in it, a PNG, is the next one."""

    def box(name: bytes, *parts: bytes) -> bytes:
        data = b"".join(parts)
        return struct.pack(">I4s", len(data) + 8, name) + data

    def numbers(*values: int) -> bytes:
        return struct.pack(f">{len(values)}I", *values)

    def file(place: int) -> bytes:
        matrix = numbers(1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
        entry = box(b"png ", bytes(7), b"\1", bytes(16), struct.pack(">HH", WIDTH, HEIGHT), bytes(50))
        table = box(
            b"stbl",
            box(b"stsd", numbers(0, 1), entry),
            box(b"stts", numbers(0, 1, count, 33)),
            box(b"stsc", numbers(0, 1, 1, 1, 1)),
            box(b"stsz", numbers(0, len(picture), count)),
            box(b"stco", numbers(0, count, *[place] * count)),
        )
        dref = box(b"dinf", box(b"dref", numbers(0, 1), box(b"url ", numbers(1))))
        media = box(
            b"mdia",
            box(b"mdhd", numbers(0, 0, 0, 1000, 33 * count, 0)),
            box(b"hdlr", numbers(0, 0), b"vide", bytes(14)),
            box(b"minf", box(b"vmhd", bytes(12)), dref, table),
        )
        header = box(b"tkhd", numbers(3, 0, 0, 1, 0, 33 * count), bytes(16), matrix, bytes(8))
        movie = box(b"mvhd", numbers(0, 0, 0, 1000, 33 * count, 1 << 16), bytes(12), matrix, bytes(28))
        front = box(b"ftyp", b"isom", bytes(4)) + box(b"moov", movie, box(b"trak", header, media))
        return front + box(b"mdat", picture)

    return file(file(0).index(picture))
