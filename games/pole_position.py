"""Pole Position, a race: ``python -m games.pole_position``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="pole_position",
    title="Pole Position",
    data_file="data/pole_position_frames.h5",
    frame_size=64,
    fps=15.0,
    num_actions=16,
    key_map={"w": 0, "a": 1, "d": 2, "s": 3},
    public_file="pole_position_frames.h5",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
