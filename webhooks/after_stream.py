"""What becomes of a caller whose media stream is over: the one place where that is decided.

A stream ends because the bridge has finished with the caller (then there is a disposition), because no bridge took it (a task that is
full or going refuses the handshake), or because the bridge that had it is gone. In the last two cases the caller is connected again:
any task carries the call on.
"""

from typing import Literal

from calls.record import CallRecord

MORE_TRIES = 2
"""How often a stream that no bridge has taken is offered again; then the business's fallback."""

Next = Literal["hang_up", "as_decided", "offer_again", "resume", "fall_back"]
"""``offer_again``: with the token that nobody has used; ``resume``: with one of its own, as long as the store gives out any."""


def what_next(record: CallRecord, call_status: str, tries: int, *, nobody_accepts: bool = False) -> Next:
    """What ``/stream-ended`` answers.

    Args:
        record: read consistently.
        call_status: ``CallStatus``, in lower case.
        tries: how often the stream has been offered again already.
        nobody_accepts: all bridges are full, or going.
    """
    if record.ended:
        return "hang_up"
    if record.disposition is not None:
        return "as_decided"
    if call_status != "in-progress" or nobody_accepts:
        return "fall_back"
    if record.awaits_stream:
        return "offer_again" if tries < MORE_TRIES else "fall_back"
    return "resume"


def why_given_up(record: CallRecord, *, nobody_accepts: bool = False) -> Literal["at_capacity", "lost", "no_bridge"]:
    """The reason for the call's record when a caller gets the business's fallback. ``no_bridge``: some bridge might have taken the
    call, and none has."""
    if nobody_accepts:
        return "at_capacity"
    return "no_bridge" if record.accepted_at is None else "lost"
