"""Tools the shell runs, as the core sees them: offered together, answered once, what they did on the record once."""

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.booking_tools import WITHIN_MS
from bridge.conversation.tools import declared_tools
from calls import events
from calls.business import ALONG_WITH, HttpTool, Tools
from tests.bridge.conversation.line import PROFILE, Line
from tests.bridge.conversation.test_messages_to_the_model import check
from tests.bridge.conversation.test_tools import asked, outputs_sent
from tests.calls.booking import shop

SHOP = shop()
BOOKED = events.AppointmentBooked(appointment_id="12345678", starts_at="2026-11-23T10:00-05:00", ends_at="…", summary="Anna")
MOVED = events.AppointmentBooked(
    appointment_id="12345678",
    starts_at="2026-11-24T10:00-05:00",
    ends_at="…",
    summary="Anna",
    moved_from="2026-11-23T10:00-05:00",
)


def booking() -> Line:
    """The model has asked for an appointment."""
    line = asked(Line(SHOP))
    line.call_tool("book_appointment", {"starts_at": "2026-11-23T10:00", "name": "Anna"})
    line.response_done()
    return line


def test_what_comes_along_with_booking_is_declared_with_it() -> None:
    names = [tool["name"] for tool in declared_tools(SHOP)]
    assert names == ["check_availability", "book_appointment", "find_appointments", "move_appointment", "cancel_appointment"]
    assert Tools(builtin=("check_availability", "check_availability")).offered == ("check_availability",)
    assert Tools().offered == ()


@pytest.mark.parametrize("name", ["book_appointment", *ALONG_WITH["book_appointment"]])
def test_a_calendar_tool_is_run_by_the_shell_if_the_business_books_and_not_otherwise(name: str) -> None:
    line = asked(Line(SHOP))
    line.call_tool(name, {"starts_at": "2026-11-23T10:00"})
    assert line.wanted(wanted.RunTool) == [wanted.RunTool("call_1", name, {"starts_at": "2026-11-23T10:00"})]
    other = asked(Line(PROFILE))
    other.call_tool(name, {})
    assert other.wanted(wanted.RunTool) == []
    assert outputs_sent(other) == [("call_1", {"error": f"there is no tool named {name!r}"})]


def test_what_a_tool_has_done_is_on_the_record_before_it_has_finished() -> None:
    line = booking()
    line.do(given.ToolFinished("call_1", '{"ok": true}', ok=True, events=(BOOKED,)))
    kinds = [output.body for output in line.wanted(wanted.RecordEvent)][-2:]
    assert kinds == [BOOKED, events.ToolFinished(name="book_appointment", ms=0, ok=True)]


def test_a_tool_that_says_again_what_it_did_is_recorded_once_and_a_move_is_recorded() -> None:
    line = booking()
    line.do(given.ToolFinished("call_1", "{}", ok=True, events=(BOOKED,)))
    for number, body in enumerate((BOOKED, MOVED, MOVED), start=2):
        line.begin_speaking()
        line.call_tool("book_appointment", {}, call=f"call_{number}")
        line.response_done()
        line.do(given.ToolFinished(f"call_{number}", "{}", ok=True, events=(body,)))
    assert line.events_of(events.AppointmentBooked) == [BOOKED, MOVED]
    assert len(line.events_of(events.ToolFinished)) == 4


def test_what_a_tool_did_after_it_was_given_up_is_on_the_record_all_the_same() -> None:
    line = booking()
    line.wait(1100)
    line.speak("One moment, please.", 700)  # it takes long, and the caller is told
    line.play(700)
    line.wait(WITHIN_MS + 1200)
    assert [done.ok for done in line.events_of(events.ToolFinished)] == [False]
    answered = outputs_sent(line)
    line.do(given.ToolFinished("call_1", "{}", ok=True, events=(BOOKED,)))
    assert line.events_of(events.AppointmentBooked) == [BOOKED]
    assert outputs_sent(line) == answered
    assert len(line.events_of(events.ToolFinished)) == 1


def test_a_calendar_has_its_own_time_to_answer() -> None:
    line = booking()
    line.wait(1100)
    line.speak("One moment, please.", 700)
    line.wait(WITHIN_MS - 1100)
    line.do(given.ToolFinished("call_1", '{"ok": true}', ok=True))
    assert outputs_sent(line) == [("call_1", {"ok": True})]


def test_an_http_tool_of_a_business_that_does_not_book_may_have_such_a_name() -> None:
    own = HttpTool(name="cancel_appointment", description="Our own", url="https://shop.example")
    line = asked(Line(msgspec.structs.replace(PROFILE, tools=Tools(http=(own,)))))
    line.call_tool("cancel_appointment", {})
    assert [run.name for run in line.wanted(wanted.RunTool)] == ["cancel_appointment"]


def test_what_the_model_is_told_of_the_calendar_fits_the_published_types() -> None:
    line = Line(SHOP).greeted()
    (update,) = [event for event in line.sent_to_model if event["type"] == "session.update"]
    assert len(update["session"]["tools"]) == 5
    check(update)
