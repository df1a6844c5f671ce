"""Run, jump and reach the coin: Procgen's CoinRun (package procgen2): ``python -m games.platformer``.

One set of pictures (`distribution_mode="easy"`), levels without end. The crop shows more of what lies below
than above, so that the ground stays in sight during a jump.
"""

from games.spec import GameSpec

SPEC = GameSpec(
    name="platformer",
    title="Platformer (CoinRun)",
    data_file="data/platformer_frames.h5",
    frame_size=64,
    fps=15.0,
    num_actions=8,
    key_map={"d": 1, "a": 2, "w": 3, "space": 3, "d+w": 4, "right+space": 4, "d+space": 4,
             "a+w": 5, "left+space": 5, "a+space": 5},
    action_names=("noop", "right", "left", "up", "right+up", "left+up"),
    env_id="procgen/coinrun",
    record_actions=("noop", "right", "left", "up", "right+up", "left+up"),
    crop=(64, 128, 384, 384),
    env_kwargs={"distribution_mode": "easy", "render_mode": "rgb_array"},
    policy="runner",
    art="Kenney (CC0); backgrounds CC0 and CC-BY, see Procgen's ASSET_LICENSES.md; played by Procgen (MIT)",
)  # fmt: skip

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
