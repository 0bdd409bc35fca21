"""Both sides of a call in the order they were spoken."""

import random

import pytest

from calls import events
from calls.conversation import in_spoken_order
from calls.events import AnyEvent
from tests.calls.examples import answered, event, said

AGENT, CALLER = "agent", "caller"


def spoken(*items: tuple[str, str | None]) -> list[str]:
    """Items as (item, previous item), in stored order; the first letter tells the side."""
    bodies: list[AnyEvent] = [
        (answered if item.startswith("a") else said)(item, item=item, previous=previous) for item, previous in items
    ]
    ordered = in_spoken_order([event(seq, body) for seq, body in enumerate(bodies, start=1)])
    return [one.flat()["text"] for one in ordered]


@pytest.mark.parametrize(
    ("items", "order"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("a1", None), ("c1", "a1"), ("a2", "c1")], ["a1", "c1", "a2"], id="in order"),
        pytest.param([("a1", "greeting"), ("a2", "c1"), ("c1", "a1")], ["a1", "c1", "a2"], id="caller text late, as usual"),
        pytest.param(
            [("a2", "c1"), ("a3", "c2"), ("c2", "a2"), ("c1", "a1"), ("a1", None)], ["a1", "c1", "a2", "c2", "a3"], id="late"
        ),
        pytest.param([("a1", None), ("c1", "a1"), ("a2", "tool"), ("c2", "a2")], ["a1", "c1", "a2", "c2"], id="a tool between"),
        pytest.param([("a1", "c1"), ("c1", "a1")], ["a1", "c1"], id="a ring"),
        pytest.param([("a1", "a1")], ["a1"], id="its own predecessor"),
        pytest.param([("a1", None), ("c1", "a1"), ("c2", "a1")], ["a1", "c1", "c2"], id="two followers"),
        pytest.param([("a1", None), ("c1", "a1"), ("c1", "a1")], ["a1", "c1", "c1"], id="an item twice"),
    ],
)
def test_lines_follow_the_item_they_were_said_after(items: list[tuple[str, str | None]], order: list[str]) -> None:
    assert spoken(*items) == order


def test_a_long_call_in_any_order_comes_out_in_one() -> None:
    items = [(f"{'ac'[place % 2]}{place}", f"{'ca'[place % 2]}{place - 1}" if place else None) for place in range(5000)]
    shuffled = items.copy()
    random.Random(7).shuffle(shuffled)
    assert spoken(*shuffled) == [item for item, _ in items]


def test_only_what_was_said_is_part_of_it() -> None:
    others = [event(1, events.Dtmf(digit="1")), event(2, said("hello")), event(3, events.ClosingReopened())]
    assert in_spoken_order(others) == [others[1]]
