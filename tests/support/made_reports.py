"""Reports without a measurement: every figure is given."""

from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest
from tinyworlds.evaluation.report import Report
from tinyworlds.metrics.estimate import Estimate

BANDS = ((1, 4), (5, 16), (17, 32), (33, 64))
DRIFT_BANDS = ((1, 16), (17, 32), (33, 64), (65, 128), (129, 256), (257, 512))


def made_key(name="turn_left", share=0.9, life=1.0, sent=1, pressed=("a",), late=None, change_game=5.0):
    read = (share, share, share, share if late is None else late)
    return KeyResult(name, sent, read, (5.0,) * 4, (change_game,) * 4, 0.95, (life,) * 4, (), pressed)


def made_play(*keys, drift=(20.0, 20.0, 21.0, 22.0, 23.0, 24.0)):
    keys = keys or (made_key(), made_key("attack", pressed=("space",)))
    shares = [sum(key.read_back[band] for key in keys) / len(keys) for band in range(4)]
    found = tuple(Estimate(share, share - 0.1, share + 0.1, 6) for share in shares)
    return PlayTest(BANDS, keys, found, (0.8,) * 4, "true actions", 16, DRIFT_BANDS, tuple(drift), 4.0)


def made_report(play=None, psnr=30.0, gain=2.0, num_episodes=6, **more):
    figures = {
        "tokenizer_psnr": Estimate(psnr, psnr - 1, psnr + 1, num_episodes),
        "one_step_above_random_pressed": Estimate(gain, gain - 0.5, gain + 0.5, num_episodes),
    }
    figures |= play.figures() if play else {}
    settings = {"fps": 10.0, "actions": "labels"} | more.pop("settings", {})
    told = {"game": "walk", "data": "test split of a.h5"} | more
    gains = {"pressed": [Estimate(1.0, 0.5, 1.5, 6)]}
    return Report(
        figures, "pressed", 12, num_episodes, [20.0], {"pressed": [21.0]}, gains, settings=settings,
        play=play, **told,
    )  # fmt: skip
