"""What every call of a process shares."""

from collections.abc import Mapping
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
from calls.ids import BusinessId
from calls.journal import Journal
from calls.prices import Prices, load_prices
from calls.store.base import CallStore

if TYPE_CHECKING:
    from bridge.recording.recorder import Recorder


class Businesses(Protocol):
    """Where profiles are looked up."""

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        """The profile, or ``None`` if there is no such business."""


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
    builtin_tools: Mapping[str, BuiltinRun] = {}
    """By name, those that need more than the conversation."""
    prices: Prices = msgspec.field(default_factory=lambda: Prices(load_prices()))
