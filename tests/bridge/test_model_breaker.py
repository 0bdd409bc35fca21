"""When the breaker in front of the model opens, and when it closes again."""

from bridge.metrics import BridgeMetrics
from bridge.model_breaker import FAILURES, LONGEST_PAUSE_S, PAUSE_S, WINDOW_S, ModelBreaker


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def breaker() -> tuple[ModelBreaker, Clock, BridgeMetrics]:
    clock, metrics = Clock(), BridgeMetrics()
    return ModelBreaker(metrics.breaker_open, metrics.breaker_barred, clock=clock, chance=lambda: 0.5), clock, metrics


def opened() -> tuple[ModelBreaker, Clock, BridgeMetrics]:
    made, clock, metrics = breaker()
    for _ in range(FAILURES):
        assert made.lets_through()
        made.failed()
    return made, clock, metrics


def test_failures_in_a_row_open_it_and_attempts_are_barred_and_counted() -> None:
    made, _, metrics = opened()
    assert made.is_open
    assert not made.lets_through()
    assert not made.lets_through()
    assert b"frontdesk_model_breaker_open 1.0" in metrics.page()
    assert b"frontdesk_model_attempts_barred_total 2.0" in metrics.page()


def test_one_success_in_between_keeps_it_closed() -> None:
    made, _, _ = breaker()
    for _ in range(FAILURES - 1):
        made.failed()
    made.succeeded()
    for _ in range(FAILURES - 1):
        made.failed()
    assert made.lets_through()


def test_failures_that_are_far_apart_are_no_outage() -> None:
    made, clock, _ = breaker()
    for _ in range(3 * FAILURES):
        made.failed()
        clock.now_s += WINDOW_S / (FAILURES - 2)
    assert made.lets_through()


def test_after_a_pause_one_attempt_is_let_through_and_its_success_closes_it() -> None:
    made, clock, metrics = opened()
    clock.now_s += PAUSE_S
    assert [made.lets_through() for _ in range(3)] == [True, False, False]
    made.succeeded()
    assert made.lets_through()
    assert b"frontdesk_model_breaker_open 0.0" in metrics.page()


def test_each_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    made, clock, _ = opened()
    for pause_s in (PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, 8 * PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S):
        clock.now_s += pause_s - 0.1
        assert not made.lets_through()
        clock.now_s += 0.1
        assert made.lets_through()
        made.failed()


def test_attempts_that_were_under_way_when_it_opened_do_not_prolong_the_pause() -> None:
    made, clock, _ = opened()
    clock.now_s += PAUSE_S / 2
    made.failed()
    clock.now_s += PAUSE_S / 2
    assert made.lets_through()


def test_a_probe_that_never_reports_is_not_waited_for_for_ever() -> None:
    made, clock, _ = opened()
    clock.now_s += PAUSE_S
    assert made.lets_through()
    clock.now_s += 11
    assert made.lets_through()
