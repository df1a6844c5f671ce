"""PicoDoom, corridors in a few pixels: ``python -m games.picodoom``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="picodoom",
    title="PicoDoom",
    data_file="data/picodoom_frames.h5",
    frame_size=64,
    fps=15.0,
    num_actions=16,
    key_map={"w": 0, "a": 1, "d": 2, "s": 3, "space": 4},
    skip_frames=300,
    public_file="picodoom_frames.h5",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
