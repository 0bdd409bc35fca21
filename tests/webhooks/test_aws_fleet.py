"""What a Lambda function knows of the bridges, and how often it asks."""

from datetime import UTC, datetime, timedelta

from calls.fleet import FRESH, TaskLoad
from calls.store.base import StoreUnavailable
from webhooks.aws_fleet import ASKED_EVERY, FleetAsked


class Fleet:
    """The bridges' lines in a store, and a clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.accepting = True
        self.is_away = False
        self.asked: list[datetime] = []
        self.seen = FleetAsked(self.loads, lambda: self.now)

    def loads(self, since: datetime) -> list[TaskLoad]:
        self.asked.append(since)
        if self.is_away:
            raise StoreUnavailable("away")
        return [TaskLoad(owner="b", at=self.now, started_at=self.now, live_calls=1, max_calls=1, accepting=self.accepting)]


def test_a_full_fleet_turns_callers_away() -> None:
    fleet = Fleet()
    fleet.accepting = False
    assert fleet.seen.nobody_accepts()
    assert fleet.asked == [fleet.now - FRESH]


def test_many_calls_at_a_time_ask_the_store_once() -> None:
    fleet = Fleet()
    assert [fleet.seen.nobody_accepts() for _ in range(50)] == [False] * 50
    assert len(fleet.asked) == 1


def test_what_is_known_is_asked_for_again_after_a_moment() -> None:
    fleet = Fleet()
    fleet.seen.nobody_accepts()
    fleet.accepting = False
    fleet.now += ASKED_EVERY - timedelta(milliseconds=1)
    assert not fleet.seen.nobody_accepts()
    fleet.now += timedelta(milliseconds=1)
    assert fleet.seen.nobody_accepts()


def test_a_store_that_is_away_turns_nobody_away() -> None:
    fleet = Fleet()
    fleet.accepting, fleet.is_away = False, True
    assert not fleet.seen.nobody_accepts()
