"""What the bridge has to know to run. Read from the environment by the composition root."""

from typing import Any

import msgspec

from bridge.dialects import OPENAI, Dialect
from bridge.operator.tokens import OperatorKey


class ModelEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model is reached."""

    url: str
    """``wss://…/v1/realtime``, without the model."""
    api_key: str
    default_model: str
    dialect: Dialect = OPENAI
    extra_headers: tuple[tuple[str, str], ...] = ()
    """Sent with the handshake beside, or in place of, the key's. They may hold secrets."""

    def address_of(self, model: str | None) -> str:
        """The URL of a session with ``model`` (OpenAI, *Realtime API with WebSocket*)."""
        return self.dialect.address(self.url, model or self.default_model)

    def headers(self) -> dict[str, str]:
        """Of the handshake. Secret."""
        return self.dialect.headers(self.api_key, dict(self.extra_headers))

    def __repr__(self) -> str:
        return f"ModelEndpoint(url={self.url!r}, default_model={self.default_model!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What a traceback printed by rich shows."""
        return [("url", self.url), ("default_model", self.default_model)]


class TwilioAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The Twilio side."""

    account_sid: str | None
    auth_token: str | None
    api_url: str


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    owner: str
    """This process's name among those that may own a call; another one each time it starts."""
    model: ModelEndpoint
    twilio: TwilioAccount
    stream_origin: str
    """``wss://host`` as Twilio sees it, path prefix included, no slash at the end: handshakes are signed for it."""
    stream_token_secret: str
    verify_twilio: bool
    max_calls: int
    drain_s: float
    max_lag_ms: float = 100
    """How late the event loop may be for new calls."""
    ecs_agent_uri: str | None = None
    """Where Amazon ECS is asked not to stop this task; ``None``: it does not run there."""
    warm_sockets: int = 0
    """How many sockets to the model are kept open for calls to come."""
    warm_max_age_s: float = 900
    """They are renewed at this age at the latest."""
    operators: tuple[OperatorKey, ...] = ()
    """Who may use the operator API; nobody: it is closed."""
