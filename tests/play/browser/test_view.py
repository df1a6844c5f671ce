"""A session played through the browser view: keys in, frames out, several pages, bindings, pacing."""

import asyncio
import threading
import time
from itertools import combinations, islice

import numpy as np
import pytest
from browser_play import Playing, page_of, wait_for
from small_worlds import known_world

from tinyworlds.keys import KeyBinding, KeyEvent
from tinyworlds.play.browser import view as view_module
from tinyworlds.play.browser.guard import RateLimit
from tinyworlds.play.browser.view import MAX_WAITING, BrowserView
from tinyworlds.play.side_by_side import SideBySide


@pytest.fixture
def playing():
    playing = Playing()
    yield playing
    playing.stop()


async def until(page, condition):
    """The first frame for which a condition holds."""
    for _ in range(500):
        frame = await page.frame()
        if condition(frame):
            return frame
    raise AssertionError("no such frame came")


def test_a_page_is_told_what_there_is_to_play(playing):
    async def look():
        async with page_of(playing.view) as page:
            return await page.world(), await page.frame()

    world, frame = asyncio.run(look())
    assert (world["title"], world["fps"]) == ("Fake", 50)
    assert world["actions"] == ["do nothing", "left", "right", "shoot"]
    assert world["keys"] == {"left": 1, "right": 2, "space": 3, "a": 1, "d": 2}
    assert world["notes"] == ["nothing found for duck"]
    assert {"key": "esc", "name": "quit", "help": "quit", "label": "quit"} in world["commands"]
    assert frame["images"][0].shape == (16, 16, 3)
    shown = 0 if frame["number"] == 0 else 1  # the fake world paints number and action + 1 into its frames
    assert [*frame["images"][0][0, 0, 1:]] == [frame["number"] % 256, shown]


def test_a_held_key_lasts_until_it_is_let_go(playing):
    async def hold():
        async with page_of(playing.view) as page:
            await page.key("left")
            await until(page, lambda frame: frame["action"] == 1)
            for _ in range(10):
                assert (await page.frame())["action"] == 1
            await page.key("left", down=False)
            await until(page, lambda frame: frame["action"] == 0)
            for _ in range(10):
                assert (await page.frame())["action"] == 0

    asyncio.run(hold())


def test_frames_say_which_keys_act_in_them(playing):
    async def measure():
        late = []
        async with page_of(playing.view) as page:
            for key, action in [("left", 1), ("right", 2), ("space", 3)] * 8:
                number = await page.key(key)
                while (frame := await page.frame())["acted"] < number:
                    late.append(frame["action"] == action)
                assert frame["action"] == action  # never claimed too early
                await page.key(key, down=False)
                await until(page, lambda frame: frame["action"] == 0)
        return late

    assert sum(asyncio.run(measure())) < 6  # nor late, but for a key that came just when a frame was begun


def test_a_page_that_goes_lets_go(playing):
    async def vanish():
        async with page_of(playing.view) as page:
            await page.key("left")
            await until(page, lambda frame: frame["action"] == 1)
            page.socket._response.connection.transport.abort()  # no goodbye
            await page.end()

    asyncio.run(vanish())
    playing.settles_on(0)


def test_two_pages_hold_one_key(playing):
    async def hold():
        async with page_of(playing.view) as one:
            async with page_of(playing.view) as two:
                await one.key("left")
                await two.key("left")
                await until(two, lambda frame: frame["action"] == 1)
                await one.key("left", down=False)
                await until(one, lambda frame: frame["acted"] == 1)
                for _ in range(10):
                    assert (await one.frame())["action"] == 1
            await until(one, lambda frame: frame["action"] == 0)

    asyncio.run(hold())


def test_a_binding_reaches_the_session_and_all_pages(playing):
    async def bind():
        async with page_of(playing.view) as one, page_of(playing.view) as two:
            assert "x" not in (await two.world())["keys"]
            await one.world()
            await one.say(type="bind", key="x", action=4)  # there is no such action
            await one.say(type="bind", key="h", action=2)
            await one.say(type="bind", key="x", action=2)
            assert (await one.world())["keys"]["x"] == 2
            assert (await two.world())["keys"] == {"left": 1, "right": 2, "space": 3, "a": 1, "d": 2, "x": 2}
            await two.key("x")
            await until(two, lambda frame: frame["action"] == 2)

    asyncio.run(bind())
    assert playing.session.key_map["x"] == 2


def test_the_true_frame_comes_along_when_wanted(playing):
    playing.world.truth = np.random.default_rng(0).integers(0, 256, (10_000, 16, 16, 3), np.uint8)

    async def ask():
        async with page_of(playing.view) as page:
            assert len((await page.frame())["images"]) == 1
            await page.key("g")
            return await until(page, lambda frame: len(frame["images"]) == 2)

    frame = asyncio.run(ask())
    assert np.array_equal(frame["images"][1], playing.world.truth[frame["number"] - 1])


def test_esc_ends_the_game(playing):
    async def leave():
        async with page_of(playing.view) as page:
            await page.key("Escape")

    asyncio.run(leave())
    wait_for(lambda: not playing.session.running, "the end")


def test_help_is_no_affair_of_the_session(playing):
    async def ask():
        async with page_of(playing.view) as page:
            await page.key("h")
            await page.key("left")
            return await until(page, lambda frame: frame["action"] == 1)

    assert "help" not in asyncio.run(ask())
    assert not playing.session._shows_help


def test_after_the_end_a_page_begins_another_session(tmp_path):
    playing = Playing(again=True, recordings=tmp_path)

    async def play_twice():
        async with page_of(playing.view) as one, page_of(playing.view) as two:
            assert (await one.told("state"))["state"] == "playing"
            await one.say(type="again")  # too early: nothing happens
            await one.key("v")
            await one.key("left")
            await until(one, lambda frame: frame["action"] == 1)
            first = playing.session
            await one.key("esc")
            for page in (one, two):  # whoever ended it
                while (await page.told("state"))["state"] != "ended":
                    pass
            await two.key("left")  # what comes after the end
            await two.key("esc")
            async with page_of(playing.view) as late:
                assert (await late.told("state"))["state"] == "ended"
            await two.say(type="again")
            while (await one.told("state"))["state"] != "playing":
                pass
            assert (await until(one, lambda frame: frame["number"] > 3))["action"] == 0
            assert playing.session is not first
            assert playing.session.running
            await one.key("left")  # held again
            await until(two, lambda frame: frame["action"] == 1)

    asyncio.run(play_twice())
    assert {file.suffix for file in playing.view._shelf.files} == {".h5", ".mp4", ".gif"}
    playing.stop()


def test_all_is_over_when_no_page_is_left_after_the_end(monkeypatch):
    monkeypatch.setattr(view_module, "LEFT_S", 0.5)
    playing = Playing(again=True)

    async def leave():
        async with page_of(playing.view) as page:
            await page.key("esc")
            while (await page.told("state"))["state"] != "ended":
                pass
            await asyncio.sleep(1)
            assert playing._thread.is_alive()  # a page is open

    asyncio.run(leave())
    wait_for(lambda: not playing._thread.is_alive(), "the end", seconds=10)
    playing.view.close()


def test_two_worlds_come_as_two_pictures_with_captions_in_text():
    pair = SideBySide(known_world(), known_world(key_map={"left": 1, "right": 2}), ("a.world", "b.world"))
    playing = Playing(world=pair, fps=pair.fps, pair=pair)

    async def look():
        async with page_of(playing.view) as page:
            start = await page.frame()
            await page.key("left")
            return start, await until(page, lambda frame: frame["action"] == pair.key_map["left"])

    start, moved = asyncio.run(look())
    playing.stop()
    assert [image.shape for image in start["images"]] == [(16, 16, 3)] * 2
    names = [world.action_names[action] for world, action in zip(pair.worlds, (2, 1), strict=True)]
    assert moved["labels"] == [f"a.world: {names[0]}", f"b.world: {names[1]}"]
    assert names[0] != names[1]


def test_many_keys_do_not_change_the_rate(playing):
    async def hammer():
        async with page_of(playing.view) as page:
            await page.frame()
            before, began = len(playing.taken), time.perf_counter()
            while time.perf_counter() - began < 1.5:
                await page.key("left")
                await page.key("left", down=False)
                await asyncio.sleep(0.02)
            return (len(playing.taken) - before) / (time.perf_counter() - began)

    assert 0 < asyncio.run(hammer()) < 60  # not a frame for every event


@pytest.fixture
def idle_view():
    view = BrowserView("x", [], ["a", "b", "c"], 3, 15, port=0)
    yield view
    view.close()


def test_waiting_presses_are_bounded_and_releases_are_not_lost(idle_view):
    async def flood():
        for _ in range(8):
            async with page_of(idle_view) as page:
                for number in range(190):
                    await page.key(chr(ord("a") + number // 2 % 20), down=number % 2 == 0)
                await page.key("left")
                await page.world()

    asyncio.run(flood())
    wait_for(lambda: idle_view.num_pages == 0, "the pages to leave")
    events = idle_view.poll()
    assert MAX_WAITING <= len(events) <= MAX_WAITING + 200
    for key in {event.key for event in events}:
        downs = [event.down for event in events if event.key == key]
        assert downs.count(True) == downs.count(False), key
    assert idle_view.poll() == []


def test_events_are_the_sessions_own_kinds(idle_view):
    async def play():
        async with page_of(idle_view) as page:
            await page.key("ArrowUp")
            await page.say(type="bind", key="q", action=1)
            await page.key("nonsense")
            assert (await page.world())["keys"] == {}
            assert (await page.world())["keys"] == {"q": 1}

    asyncio.run(play())
    wait_for(lambda: idle_view.num_pages == 0, "the page to leave")
    assert idle_view.poll() == [KeyEvent("up"), KeyBinding("q", 1), KeyEvent("up", down=False)]


def keys_tried():
    """Chords that a page may bind, thousands of them."""
    return ("+".join(chord) for size in (2, 3) for chord in combinations("qwetyuiozxcnm", size))


def test_what_pages_bind_is_bounded_in_rate_and_number(idle_view, monkeypatch):
    async def bind(keys):
        async with page_of(idle_view) as page:
            for key in keys:
                await page.say(type="bind", key=key, action=1)
            await page.say(type="key", key="z", down=True, repeat=False, id=1)
        wait_for(lambda: idle_view.num_pages == 0, "the page to leave")
        return sum(isinstance(event, KeyBinding) for event in idle_view.poll())

    keys = keys_tried()
    assert 20 <= asyncio.run(bind(islice(keys, 150))) <= 25
    monkeypatch.setattr(idle_view, "_binding_rate", RateLimit(1000))  # a page with a lot of time
    assert asyncio.run(bind(islice(keys, 150))) <= 80
    assert len(idle_view._keys) == 100
    assert asyncio.run(bind(["q+w"])) == 1  # a key that is bound already may still change


def test_commands_of_pages_are_bounded(idle_view):
    async def press(key, times):
        async with page_of(idle_view) as page:
            for i in range(times):
                await page.say(type="key", key=key, down=True, repeat=False, id=2 * i)
                await page.say(type="key", key=key, down=False, repeat=False, id=2 * i + 1)
        wait_for(lambda: idle_view.num_pages == 0, "the page to leave")
        return sum(event.down for event in idle_view.poll())

    assert 6 <= asyncio.run(press("v", 80)) <= 8  # each starts or ends a recording
    assert asyncio.run(press("p", 80)) <= 40
    assert asyncio.run(press("left", 80)) == 80


def test_nothing_is_left_running_behind():
    before = {thread.name for thread in threading.enumerate()}
    for _ in range(3):
        BrowserView("x", [], ["a"], 1, 15, port=0).close()
    assert {thread.name for thread in threading.enumerate()} == before
