"""The menu behind Esc."""

from tinyworlds.play.window.menu import ANEW, CONTINUE, QUIT, Entry, Menu


def pressed(menu, *keys):
    for key in keys:
        menu.press(key)
    return menu.chosen


def test_esc_twice_goes_on():
    assert pressed(Menu(), "esc").action == CONTINUE


def test_the_lines_are_reached_by_keys():
    assert pressed(Menu(), "down", "enter").action == ANEW
    assert pressed(Menu(), "up", "space").action == QUIT  # round the top
    assert pressed(Menu(), "s", "s", "w", "enter").action == ANEW


def test_another_world_is_chosen_from_a_list_that_one_can_leave():
    menu = Menu(["doom", "racing"])
    assert pressed(menu, "down", "down", "enter") is None
    assert [entry.text for entry in menu.entries] == ["doom", "racing", "Back"]
    assert pressed(menu, "esc") is None
    assert menu.entries[0].action == CONTINUE
    assert pressed(menu, "down", "down", "enter", "down", "enter") == Entry("racing", "racing", is_world=True)


def test_a_world_named_like_a_line_is_a_world():
    menu = Menu(["quit"])
    menu.press("down"), menu.press("down"), menu.press("enter"), menu.press("enter")
    assert menu.chosen == Entry(QUIT, QUIT, is_world=True)


def test_without_other_worlds_there_is_no_line_for_them():
    assert "Another world" not in [entry.text for entry in Menu().entries]


def test_other_keys_do_nothing():
    menu = Menu()
    assert pressed(menu, "x", "1", "r") is None
    assert menu.selected == 0
