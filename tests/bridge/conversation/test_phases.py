"""The table of phases."""

from bridge.conversation.phases import TRANSITIONS, Phase, Trigger, after


def test_every_phase_has_a_row_and_every_live_one_can_end() -> None:
    assert set(TRANSITIONS) == set(Phase)
    live = set(Phase) - {Phase.ENDED}
    assert all(after(phase, Trigger.STREAM_OVER) is Phase.ENDED for phase in live)


def test_an_ended_call_stays_ended() -> None:
    assert all(after(Phase.ENDED, trigger) is None for trigger in Trigger)


def test_every_phase_is_reached_from_connecting() -> None:
    reached, frontier = {Phase.CONNECTING}, [Phase.CONNECTING]
    while frontier:
        for phase in TRANSITIONS[frontier.pop()].values():
            if phase not in reached:
                reached.add(phase)
                frontier.append(phase)
    assert reached == set(Phase)
