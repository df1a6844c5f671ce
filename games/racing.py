"""A car on ever new tracks; records from gymnasium's CarRacing: ``python -m games.racing``.

Four of the game's fifty steps a second make a frame. The bar below the picture stays in it: it shows speed
and steering, which no single picture of the road does.
"""

from games.spec import GameSpec

SPEC = GameSpec(
    name="racing",
    title="Car Racing",
    data_file="data/racing_frames.h5",
    frame_size=64,
    fps=12.5,
    num_actions=8,
    key_map={"d": 1, "a": 2, "w": 3, "s": 4},
    action_names=("noop", "right", "left", "gas", "brake"),
    env_id="CarRacing-v3",
    frame_skip=4,
    policy="driver",
    art="drawn by gymnasium's CarRacing itself (MIT)",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
