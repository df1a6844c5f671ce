"""What pages may say, who may speak, how often, and who holds which key: without any socket."""

import json
import random

import numpy as np
import pytest
from browser_play import unpack

from tinyworlds.errors import ConfigError
from tinyworlds.keys import KeyBinding, KeyEvent
from tinyworlds.play.browser.guard import Guard, RateLimit, is_loopback
from tinyworlds.play.browser.messages import (
    Again,
    KeyMessage,
    Seen,
    address_frame,
    pack_frame,
    read_message,
    world_text,
)
from tinyworlds.play.browser.shared_keys import MAX_HELD, SharedKeys
from tinyworlds.play.view import PlayFrame

KEY = {"type": "key", "key": "left", "down": True, "repeat": False, "id": 7}
BIND = {"type": "bind", "key": "x", "action": 2}


def read(fields):
    return read_message(json.dumps(fields))


def test_messages_are_read():
    assert read(KEY) == KeyMessage(KeyEvent("left"), 7)
    assert read({**KEY, "key": "ArrowLeft", "down": False}) == KeyMessage(KeyEvent("left", down=False), 7)
    assert read({**KEY, "key": " ", "repeat": True}) == KeyMessage(KeyEvent("space", repeat=True), 7)
    assert read({**KEY, "key": "Ä"}).event.key == "ä"
    assert read(BIND) == KeyBinding("x", 2)
    assert read({**BIND, "key": "Space+Left"}) == KeyBinding("left+space", 2)
    assert read({"type": "seen"}) == Seen()
    assert read({"type": "again"}) == Again()


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""}, {"key": "left+space"}, {"key": "f5"}, {"key": "x" * 300}, {"key": "\ud800"},
        {"key": "\0"}, {"key": "字"}, {"key": "+"}, {"key": 3}, {"key": None}, {"down": 1}, {"down": "true"},
        {"repeat": None}, {"id": -1}, {"id": 1.5}, {"id": True}, {"id": 2**32}, {"id": "7"},
        {"type": "Key"}, {"more": 1},
    ],
)  # fmt: skip
def test_a_key_message_is_exact_or_nothing(changes):
    assert read({**KEY, **changes}) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "h"}, {"key": "Escape"}, {"key": "left+h"}, {"key": "3"}, {"key": "x+"}, {"key": ""},
        {"key": "+".join("abcdefghijklmnopqrstuvwxyz")}, {"action": -1}, {"action": True}, {"action": 1.0},
        {"action": None}, {"more": {}},
    ],
)  # fmt: skip
def test_commands_digits_and_nonsense_are_not_bound(changes):
    assert read({**BIND, **changes}) is None


def test_other_shapes_are_nothing():
    for text in (
        "",
        "null",
        "[]",
        "3",
        '"seen"',
        "{}",
        '{"type": []}',
        "[" * 500,
        '{"type":"seen","n":1}',
        '{"type":"again","now":true}',
        "NaN",
    ):
        assert read_message(text) is None
    for missing in KEY:
        assert read({name: value for name, value in KEY.items() if name != missing}) is None


def test_fuzzed_messages_are_nothing_or_a_proper_message():
    chance = random.Random(5)
    valid = [json.dumps(KEY), json.dumps(BIND), '{"type": "seen"}', '{"type": "again"}']
    for _ in range(20_000):
        text = list(chance.choice(valid))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(text) + 1)
            text[place : place + chance.randint(0, 3)] = chance.choice('{}[]":,0 eE+-.\\u\x00ÿ字tn')
        match read_message("".join(text)):
            case KeyMessage(KeyEvent(key), number):
                assert len(key) <= 9
                assert 0 <= number < 2**32
            case KeyBinding(key, action):
                assert len(key) <= 40
                assert 0 <= action < 2**32
            case other:
                assert other in (None, Seen(), Again())


def test_actions_and_commands_are_named_in_a_players_words():
    told = json.loads(world_text("x", 15.0, ["noop", "turn_right", "noop | attack"], {}))
    assert told["actions"] == ["do nothing", "turn right", "do nothing | shoot"]
    labels = {command["name"]: command["label"] for command in told["commands"]}
    assert (labels["reset"], labels["record"], labels["truth"]) == ("start anew", "record", "compare")


def a_frame(image, **changes):
    said = {"number": 3, "action": 1, "action_name": "left", "fps": 14.96, "paused": False, "recording": True}
    return PlayFrame(image=image, **{**said, "message": "ä <b>", **changes})


def test_small_frames_keep_every_pixel():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), np.uint8)
    frame = a_frame(images[0], truth=images[1], num_steps=4, dropped=2)
    got = unpack(address_frame(pack_frame(frame, 9), 5))
    assert (got["acted"], got["serial"], got["type"]) == (5, 9, "image/png")
    assert np.array_equal(np.stack(got["images"]), images)
    assert (got["message"], got["fps"], got["steps"], got["dropped"]) == ("ä <b>", 15.0, 4, 2)


def test_large_frames_are_small_messages():
    frame = a_frame(np.full((256, 320, 3), (200, 100, 0), np.uint8))
    packed = pack_frame(frame, 1)
    got = unpack(address_frame(packed, 0))
    assert got["type"] == "image/jpeg"
    assert len(got["images"]) == 1
    assert np.abs(got["images"][0].astype(int) - frame.image).max() < 6
    assert len(packed) < 20_000


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8", "LOCALHOST"])
def test_this_machine_alone_needs_no_token(host):
    assert is_loopback(host)
    assert Guard(host).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "", "example.org", "localhost.example.org"])
def test_other_machines_need_a_token(host):
    tokens = {Guard(host).token for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)


def test_hosts_of_this_machine_alone():
    guard = Guard("127.0.0.1")
    for host in ("127.0.0.1:8765", "localhost:8765", "localhost", "[::1]:1", "LocalHost:9", "127.0.0.1:9999"):
        assert guard.knows_host(host), host
    for host in (
        None, "", "evil.example", "evil.example:8765", "localhost.evil.example", "192.168.1.5", "0.0.0.0",
        "[::]:1", "localhost@evil.example", "evil.example#localhost", "localhost:99999", "localhost:x",
        "[::1", "a b", "/",
    ):  # fmt: skip
        assert not guard.knows_host(host), host


def test_hosts_of_an_open_server():
    guard = Guard("play.example")
    assert guard.knows_host("play.example:8765")
    assert guard.knows_host("192.168.1.5:8765")
    assert not guard.knows_host("evil.example:8765")


def test_only_our_own_page_opens_a_socket():
    guard, host = Guard("localhost"), "localhost:8765"
    assert guard.same_origin("http://localhost:8765", host)
    assert guard.same_origin("https://LOCALHOST:8765", host)
    for origin in (
        None, "", "null", "http://localhost", "http://localhost:3000", "http://127.0.0.1:8765", "file://",
        "http://evil.example", "ftp://localhost:8765", "http://localhost:8765.evil.example", "http://[",
    ):  # fmt: skip
        assert not guard.same_origin(origin, host), origin


def test_the_token_is_the_first_part_of_the_path():
    guard = Guard("0.0.0.0", "right-token")
    assert guard.name_asked_for("/right-token/") == ""
    assert guard.name_asked_for("/right-token/main.js") == "main.js"
    for path in ("/", "/main.js", "/right-token", "/right-toke/", "/wrong/main.js", "//right-token/", "/ä/"):
        assert guard.name_asked_for(path) is None, path


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_names_of_a_proxy_are_taken_where_they_are_allowed(host):
    guard = Guard(host, allowed_hosts=["abc-8765.proxy.example", ".APP.example"])
    assert len(guard.token) >= 32  # on this machine alone, too: now others reach it
    for name in (
        "abc-8765.proxy.example",
        "ABC-8765.proxy.example:443",
        "x.app.example",
        "a.b.app.example",
    ):
        assert guard.knows_host(name), name
        assert guard.same_origin(f"https://{name}", name), name
        assert guard.same_origin(f"https://{name}", "localhost:8765"), name  # Host is ours, Origin theirs
    for name in ("proxy.example", "x.proxy.example", "app.example", "evilapp.example", "app.example.evil"):
        assert not guard.knows_host(name), name
        assert not guard.same_origin(f"https://{name}", "localhost:8765"), name
    assert not guard.same_origin("null", "x.app.example")


@pytest.mark.parametrize("name", ["", "*", "https://x.example", "x.example:80", "x.example/", "..x", "a b"])
def test_what_is_no_name_cannot_be_allowed(name):
    with pytest.raises(ConfigError, match="is no host name to allow"):
        Guard("0.0.0.0", allowed_hosts=[name])


@pytest.mark.parametrize("token", ["", "short", "with/slash1", "with space", "x" * 200])
def test_a_token_has_to_fit_into_an_address(token):
    with pytest.raises(ConfigError, match="token"):
        Guard("127.0.0.1", token)


def test_the_rate_is_bounded():
    now = [0.0]
    rate = RateLimit(10, clock=lambda: now[0])
    assert [rate.allows() for _ in range(11)] == [True] * 10 + [False]
    now[0] = 0.55
    assert sum(rate.allows() for _ in range(10)) == 5
    now[0] = 1000.0
    assert sum(rate.allows() for _ in range(30)) == 10


def test_a_key_is_down_while_any_page_holds_it():
    keys = SharedKeys()
    assert keys.take("a", KeyEvent("left")) == KeyEvent("left")
    assert keys.take("b", KeyEvent("left")) == KeyEvent("left")
    assert keys.take("a", KeyEvent("left", down=False)) is None
    assert keys.take("a", KeyEvent("left", down=False)) is None  # not its own any more
    assert keys.take("c", KeyEvent("left", down=False)) is None  # never its own
    assert keys.take("b", KeyEvent("left", down=False)) == KeyEvent("left", down=False)


def test_a_page_that_leaves_lets_go_of_its_keys():
    keys = SharedKeys()
    for page, key in (("a", "left"), ("a", "space"), ("b", "space")):
        keys.take(page, KeyEvent(key))
    assert keys.leave("a") == [KeyEvent("left", down=False)]
    assert keys.leave("a") == []
    assert keys.leave("b") == [KeyEvent("space", down=False)]


def test_a_page_holds_so_many_keys_at_most():
    keys = SharedKeys()
    taken = [keys.take("a", KeyEvent(chr(200 + i))) for i in range(100)]
    assert sum(event is not None for event in taken) == MAX_HELD
    assert len(keys.leave("a")) == MAX_HELD
