"""The Legend of Zelda, seen from above: ``python -m games.zelda``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="zelda",
    title="The Legend of Zelda",
    data_file="data/zelda_frames.h5",
    frame_size=128,
    fps=15.0,
    num_actions=16,
    key_map={"w": 0, "a": 1, "s": 2, "d": 3, "space": 4},
    skip_frames=1000,
    public_file="zelda_frames.h5",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
