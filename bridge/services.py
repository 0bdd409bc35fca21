"""What every call of a process shares."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from bridge.after_call import AfterCall
from bridge.builtin_tools import BuiltinRun
from bridge.endings import Endings
from bridge.greetings import Greetings
from bridge.metrics import BridgeMetrics
from bridge.model_breaker import ModelBreaker
from bridge.model_pool import ModelPool
from bridge.settings import BridgeSettings
from bridge.tool_runner import ToolRunner
from bridge.twilio_rest import CallControl
from calls.business import BusinessProfile
from calls.ids import BusinessId, CallSid
from calls.journal import Journal
from calls.prices import Prices, load_prices
from calls.store.base import CallStore

if TYPE_CHECKING:
    from bridge.recording.recorder import Recorder


class Businesses(Protocol):
    """Where profiles are looked up."""

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        """The profile, or ``None`` if there is no such business."""


class StreamWatch(Protocol):
    """Wants to know of the streams this process serves. Nothing of it waits or fails."""

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        """A stream was accepted."""

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        """It is over; what is left to be done for its call is done after that."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Made once by the composition root."""

    settings: BridgeSettings
    businesses: Businesses
    store: CallStore
    journal: Journal
    call_control: CallControl
    endings: Endings
    tools: ToolRunner
    metrics: BridgeMetrics
    breaker: ModelBreaker
    after_call: AfterCall
    recorder: "Recorder | None" = None
    """``None``: nothing is recorded."""
    greetings: Greetings
    pool: ModelPool
    watch: StreamWatch | None = None
    """Told when streams begin and end."""
    builtin_tools: Mapping[str, BuiltinRun] = {}
    """By name, those that need more than the conversation."""
    prices: Prices = msgspec.field(default_factory=lambda: Prices(load_prices()))
