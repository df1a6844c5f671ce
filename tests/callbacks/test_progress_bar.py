"""How the progress bar tells times."""

from callbacks.progress_bar import format_seconds


def test_seconds() -> None:
    assert [format_seconds(s) for s in (None, 5, 65.4, 3725)] == ["-:--", "0:05", "1:05", "1:02:05"]
