"""What becomes of a caller whose media stream is over, as a table."""

import msgspec
import pytest

from calls.ids import BusinessId
from calls.record import CallRecord
from tests.webhooks.doubles import SID, disposed
from webhooks.after_stream import Next, what_next

FRESH = CallRecord(
    call_sid=SID,
    business_id=BusinessId("bobs-hvac"),
    from_="+15005550001",
    to="+15005550006",
    channel="pstn",
    started_at="2026-01-01T12:00:00.000Z",
)
AT = "2026-01-01T12:00:05.000Z"
OWNED: dict[str, object] = {"owner": "bridge-1", "accepted_at": AT}
LEFT: dict[str, object] = {"accepted_at": AT, "released_at": AT}
RESUMED: dict[str, object] = {"accepted_at": AT, "resumed": "lost"}
HANG_UP: dict[str, object] = {"disposition": disposed("hang_up")}

CASES: list[tuple[str, dict[str, object], str, int, Next]] = [
    ("its bridge died", OWNED, "in-progress", 0, "resume"),
    ("its bridge died, and it had been refused before", OWNED, "in-progress", 2, "resume"),
    ("its bridge left it", LEFT, "in-progress", 0, "resume"),
    ("no bridge took it", {}, "in-progress", 0, "offer_again"),
    ("no bridge took it the second time", {}, "in-progress", 1, "offer_again"),
    ("no bridge took it the third time", {}, "in-progress", 2, "fall_back"),
    ("nobody took the further stream", RESUMED, "in-progress", 0, "offer_again"),
    ("nobody took the further stream, ever", RESUMED, "in-progress", 2, "fall_back"),
    ("decided, and left", LEFT | HANG_UP, "in-progress", 0, "as_decided"),
    ("decided by a bridge that then died", OWNED | HANG_UP, "in-progress", 0, "as_decided"),
    ("turned away at the door", HANG_UP, "in-progress", 0, "as_decided"),
    ("in an odd state", OWNED, "ringing", 0, "fall_back"),
    ("in no state", OWNED, "", 0, "fall_back"),
    ("over", {"ended_at": AT}, "in-progress", 0, "hang_up"),
    ("over, whatever was decided", {"ended_at": AT} | HANG_UP, "in-progress", 0, "hang_up"),
]


@pytest.mark.parametrize(("changes", "status", "tries", "answer"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_stream_that_is_over_is_answered_by_what_became_of_it(
    changes: dict[str, object], status: str, tries: int, answer: Next
) -> None:
    assert what_next(msgspec.structs.replace(FRESH, **changes), status, tries) == answer
