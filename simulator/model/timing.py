"""How fast the model is. Milliseconds on the session's own clock."""

import msgspec


class ModelTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Delays of one session. The defaults are those measured on the real API with ``gpt-realtime-2.1-mini``."""

    connect_ms: float = 0
    """The WebSocket handshake is answered this late."""
    session_update_ms: float = 60
    """``session.update`` → ``session.updated``; later answers wait for it."""
    acknowledge_ms: float = 15
    """Other requests → their answers."""
    time_to_first_audio_ms: float = 500
    """``response.create`` → first ``response.output_audio.delta``."""
    transcript_lead_ms: float = 120
    """The transcript begins this long before the audio."""
    realtime_factor: float = 12
    """Audio is generated so many times faster than it plays."""
    shortest_delta_ms: int = 250
    longest_delta_ms: int = 400
    """How much audio a delta holds; in between, by the seed."""
    transcription_delay_ms: float | None = 350
    """``input_audio_buffer.committed`` → the caller's transcript: usually after the reply's ``response.created``. ``None``: never."""
    transcription_after_response: bool = False
    """The caller's transcript waits for the ``response.done`` that follows."""
    jitter_ms: float = 0
    """Up to so much is added to the time to the first audio and between deltas, by the seed."""

    @property
    def created_ms(self) -> float:
        """``response.create`` → ``response.created``."""
        return 0.18 * self.time_to_first_audio_ms

    @property
    def first_item_ms(self) -> float:
        """``response.create`` → ``response.output_item.added``."""
        return max(self.time_to_first_audio_ms - self.transcript_lead_ms - 8, self.created_ms)
