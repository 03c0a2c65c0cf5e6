"""The page of the architecture names what is there: paths, names in them, floors, and the states of the code."""

import re

import pytest
from tests.tidy.source import ROOT, SRC
from tests.tidy.test_floors import FLOORS, ON_TOP
from tools.state_diagrams import MACHINES, PAGE, draw, redrawn

TEXT = PAGE.read_text()
_PATH = re.compile(r"`([\w/.-]+/[\w.-]*|[\w-]+\.py)(?::(\w+))?`")
OF_THE_REPOSITORY = ("tests", "docs", "bench", "tools")
NAMED = sorted(set(_PATH.findall(TEXT)))


def place(path):
    root = ROOT if path.split("/")[0] in OF_THE_REPOSITORY else SRC
    return root / path


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part or "-")
def test_every_path_and_every_name_in_it_exists(path, name):
    assert place(path).exists()
    assert not name or re.search(rf"\b{name}\b", place(path).read_text())


def test_the_page_names_paths():
    assert len(NAMED) > 50


def test_the_picture_of_the_floors_has_them_all():
    picture = TEXT.partition("flowchart TB")[2].partition("```")[0]
    assert all(re.search(rf"^    (?:.* )?{floor}\[", picture, re.MULTILINE) for floor in (*FLOORS, *ON_TOP))


def test_the_states_are_drawn_as_the_code_knows_them():
    assert redrawn(TEXT) == TEXT, "make diagrams"


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_drawing_has_an_arrow_for_each_transition(machine):
    drawn = {tuple(line.split(" --> ")) for line in map(str.strip, draw(machine).splitlines()) if " --> " in line}
    boxes = {state: name.replace(" ", "_") for name, states in machine.together for state in states}
    arrows = {
        (boxes.get(state, state.value), follower.value)
        for state, followers in machine.transitions
        for follower in followers
        if boxes.get(state, "") != boxes.get(follower, "-")
    }
    ends = {(state.value, "[*]") for state, followers in machine.transitions if not followers}
    assert drawn == arrows | ends | {("[*]", state.value) for state in machine.begins}
    table = dict(machine.transitions)
    same = [{table[state] for state in states} for _, states in machine.together]
    assert all(len(followers) == 1 for followers in same), "one box, one set of arrows"
