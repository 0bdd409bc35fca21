"""``<Connect><Stream>``: the media WebSocket, from its handshake to ``stop``.

Follows Twilio, *TwiML: Stream* and *Media Streams: WebSocket messages*. The caller's frames go out every 20 ms, the server's
audio goes into the ear, marks come back when the ear has reached them.
"""

from collections import deque
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

from simulator.phone import wire
from simulator.phone.identity import new_sid
from simulator.phone.line import Continue, Done, Fetch, Idle, Line, Vanish
from simulator.phone.mouth import FRAME_MS, Frame
from simulator.phone.outputs import AbortStream, CloseStream, OpenStream, SendStream
from simulator.phone.playout import SAMPLES_PER_MS
from simulator.phone.policies import Jitter
from simulator.phone.timeline import (
    ClearReceived,
    FirstMedia,
    KeySent,
    MarkEchoed,
    MarkReceived,
    MediaReceived,
    MessageRefused,
    StartSent,
    StreamOpened,
    StreamOver,
    StreamRefused,
)
from simulator.phone.twiml import Connect

_NORMAL_CLOSE = 1000
_GOING_AWAY = 1001
_SHOWN_CHARACTERS = 200


class MediaStream(Idle):
    """One media stream of a call."""

    def __init__(self, line: Line, verb: Connect, done: Done) -> None:
        self._line = line
        self._verb = verb
        self._done = done
        self.stream_sid = new_sid("MZ", line.rng)
        self.parameters = dict(verb.stream.parameters)
        self._url = ""
        self._state: Literal["waiting", "opening", "live", "over"] = "waiting"
        self._opens_ms: float = 0
        self._opened_ms: float = 0
        self._first_frame_ms: float = 0
        self._first_timestamp_ms = 0
        self._number = 0
        self._chunk = 0
        self._first_media_seen = False
        self._warned: set[int] = set()
        self._delayed: deque[tuple[float, int, int, str]] = deque()
        self._stalled_until_ms: float = 0
        self._late_marks: deque[tuple[float, str]] = deque()

    @property
    def is_live(self) -> bool:
        """Whether the WebSocket is open."""
        return self._state == "live"

    @property
    def wake_at_ms(self) -> float | None:
        """The next handshake, mark, delayed frame or death."""
        if self._state == "waiting":
            return self._opens_ms
        if self._state != "live":
            return None
        times = [self._delayed[0][0]] if self._delayed else []
        if self._late_marks:
            times.append(self._late_marks[0][0])
        if (mark := self._line.ear.next_mark) is not None:
            times.append(self._line.time_of(mark))
        if (dies_after_ms := self._line.policies.dies_after_ms) is not None:
            times.append(self._opened_ms + dies_after_ms)
        return min(times, default=None)

    def begin(self, now: float) -> None:
        """The verb runs: the handshake is due after the set-up time."""
        self._opens_ms = now + self._line.policies.stream_setup_ms
        if not self._line.policies.stream_setup_ms:
            self._open(now)

    def wake(self, now: float) -> None:
        """Opens, echoes marks that were played, delivers delayed frames, dies."""
        if self._state == "waiting":
            self._open(now)
            return
        for name in self._line.ear.take_reached():
            self._echo(now, name, "played")
        while self._late_marks and self._late_marks[0][0] <= now:
            self._echo(now, self._late_marks.popleft()[1], "cleared")
        while self._delayed and self._delayed[0][0] <= now:
            self._send_media(*self._delayed.popleft()[1:])
        dies_after_ms = self._line.policies.dies_after_ms
        if dies_after_ms is not None and now >= self._opened_ms + dies_after_ms:
            self.die(now)

    # the handshake

    def _open(self, now: float) -> None:
        stream = self._verb.stream
        base = self._line.base_url
        parts = urlsplit(urljoin(base, stream.url) if base else stream.url)
        scheme = parts.scheme
        if "://" not in stream.url:
            scheme = {"https": "wss", "http": "ws"}.get(scheme, scheme)
        # the real one drops the query before it dials
        self._url = urlunsplit((scheme, parts.netloc, parts.path, "", ""))
        if scheme not in ("wss", "ws") or not parts.netloc:
            self._fail(now, 31922, f"{stream.url!r} is no WebSocket URL; wss:// is meant", None)
            return
        if stream.track != "inbound_track":
            self._fail(now, 31941, f"track={stream.track!r}: a bidirectional stream has the inbound_track only", None)
            return
        self._state = "opening"
        signature = self._line.signer.stream(self._url, with_slash=self._line.policies.sign_with_slash)
        headers = {"User-Agent": "Twilio.TmeWs/1.0", "Accept-Encoding": "gzip", **signature}
        self._line.outputs.append(OpenStream(self._url, headers))

    def opened(self, now: float) -> None:
        """The server answered 101."""
        if self._state != "opening":
            return
        line = self._line
        self._state = "live"
        self._opened_ms = now
        self._first_frame_ms = now + line.rng.randint(*line.policies.first_media_ms)
        line.note(StreamOpened(at_ms=line.at_ms(now), stream_sid=self.stream_sid, url=self._url))
        self._callback(now, "stream-started")
        line.outputs.append(SendStream(wire.CONNECTED))
        identity = line.identity
        self._send(wire.start(self._next_number(), self.stream_sid, identity.account_sid, identity.call_sid, self.parameters))
        line.note(StartSent(at_ms=line.at_ms(now), stream_sid=self.stream_sid, custom_parameters=self.parameters))

    def refused(self, now: float, status: int | None, reason: str) -> None:
        """The server answered something else, or nothing."""
        if self._state == "opening":
            code = 31920 if status is not None else 31902
            self._fail(now, code, reason or f"the handshake was answered with HTTP status {status}", status)

    def _fail(self, now: float, code: int, reason: str, status: int | None) -> None:
        self._state = "over"
        line = self._line
        line.note(StreamRefused(at_ms=line.at_ms(now), url=self._url or self._verb.stream.url, status=status, reason=reason))
        line.debug(now, code, reason)
        self._callback(now, "stream-error", f"{code}: {reason}")
        self._go_on(now)

    # to the server

    def tick(self, now: float, frame: Frame) -> None:
        """Sends the caller's 20 ms, or draws its delay."""
        if self._state != "live" or now < self._first_frame_ms:
            return
        if not self._chunk:
            self._first_timestamp_ms = round(now - self._opened_ms)
        self._chunk += 1
        timestamp_ms = self._first_timestamp_ms + FRAME_MS * (self._chunk - 1)
        jitter = self._line.policies.jitter
        if jitter is None:
            self._send_media(self._chunk, timestamp_ms, frame.encoded)
        elif self._line.rng.random() >= jitter.loss_chance:
            self._delayed.append((self._delivery_ms(now, jitter), self._chunk, timestamp_ms, frame.encoded))

    def _delivery_ms(self, now: float, jitter: Jitter) -> float:
        rng = self._line.rng
        if rng.random() < jitter.burst_chance:
            self._stalled_until_ms = now + jitter.burst_ms
        previous_ms = self._delayed[-1][0] if self._delayed else 0
        return max(now + rng.uniform(0, jitter.delay_ms), previous_ms, self._stalled_until_ms)

    def press(self, now: float, digit: str) -> None:
        """Sends ``dtmf``."""
        if self._state == "live":
            self._line.note(KeySent(at_ms=self._line.at_ms(now), key=digit))
            self._send(wire.dtmf(self._next_number(), self.stream_sid, digit))

    def _send_media(self, chunk: int, timestamp_ms: int, encoded: str) -> None:
        self._send(wire.media(self._next_number(), self.stream_sid, chunk, timestamp_ms, encoded))

    def _echo(self, now: float, name: str, why: Literal["played", "empty", "cleared"]) -> None:
        self._send(wire.mark(self._next_number(), self.stream_sid, name))
        self._line.note(MarkEchoed(at_ms=self._line.at_ms(now), name=name, why=why))

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _send(self, text: str) -> None:
        self._line.outputs.append(SendStream(text))

    # from the server

    def message(self, now: float, text: str | bytes) -> None:
        """A message came; what the protocol does not have is refused, and warned about once per stream."""
        if self._state != "live":
            return
        try:
            message = wire.read(text, self.stream_sid)
        except wire.Refused as refusal:
            self._refuse(now, refusal, text)
            return
        match message:
            case wire.MediaMessage():
                self._play(now, message.media.payload)
            case wire.MarkMessage():
                self._mark(now, message.mark.name)
            case wire.ClearMessage():
                self._clear(now)

    def _play(self, now: float, audio: bytes) -> None:
        line = self._line
        if not self._first_media_seen:
            self._first_media_seen = True
            line.note(FirstMedia(at_ms=line.at_ms(now), after_start_ms=round(now - self._opened_ms, 3)))
        line.ear.append(audio)
        buffered_ms = line.ear.buffered / SAMPLES_PER_MS
        line.note(MediaReceived(at_ms=line.at_ms(now), length=len(audio), buffered_ms=buffered_ms))

    def _mark(self, now: float, name: str) -> None:
        self._line.note(MarkReceived(at_ms=self._line.at_ms(now), name=name))
        if not self._line.ear.mark(name):
            self._echo(now, name, "empty")

    def _clear(self, now: float) -> None:
        line = self._line
        dropped_ms = line.ear.buffered / SAMPLES_PER_MS
        names = line.ear.clear()
        line.note(ClearReceived(at_ms=line.at_ms(now), dropped_ms=dropped_ms, marks=names))
        match line.policies.cleared_marks:
            case "echo":
                for name in names:
                    self._echo(now, name, "cleared")
            case "late":
                self._late_marks.extend((now + line.policies.late_ms, name) for name in names)

    def _refuse(self, now: float, refusal: wire.Refused, text: str | bytes) -> None:
        line = self._line
        shown = text if isinstance(text, str) else text[:_SHOWN_CHARACTERS].hex()
        line.note(MessageRefused(at_ms=line.at_ms(now), code=refusal.code, why=str(refusal), message=shown[:_SHOWN_CHARACTERS]))
        if refusal.code not in self._warned:
            self._warned.add(refusal.code)
            line.debug(now, refusal.code, str(refusal), "warning")

    # the end

    def closed(self, now: float, code: int) -> None:
        """The server closed the WebSocket, or its connection broke."""
        if self._state != "live":
            return
        if code in (_NORMAL_CLOSE, _GOING_AWAY):
            self._line.debug(now, 31921, f"the server closed the stream with code {code}")
            self._over(now, "server")
        else:
            self._line.debug(now, 31903, f"the stream broke with code {code}")
            self._over(now, "lost")
        self._go_on(now)

    def die(self, now: float) -> None:
        """The media connection is reset: no ``stop``."""
        if self._state != "live":
            return
        self._line.outputs.append(AbortStream())
        self._line.debug(now, 31903, "the connection to the server was lost")
        if self._line.policies.after_death == "silence":
            self._over(now, "lost", tell=False)
            self._done(now, Vanish())
        else:
            self._over(now, "lost")
            self._go_on(now)

    def hung_up(self, now: float) -> None:
        """Tells the action, where the policy says that it is told."""
        if self._verb.action and self._line.policies.action_after_hangup:
            params = self._line.identity.params("completed")
            self._line.callback(now, "action", self._verb.action, self._verb.method, params)

    def stop(self, now: float) -> None:
        """Sends what is delayed, then ``stop``, and closes."""
        if self._state == "opening":
            self._line.outputs.append(CloseStream())
        if self._state == "live":
            while self._delayed:
                self._send_media(*self._delayed.popleft()[1:])
            identity = self._line.identity
            self._send(wire.stop(self._next_number(), self.stream_sid, identity.account_sid, identity.call_sid))
            self._line.outputs.append(CloseStream())
            self._over(now, "carrier")
        self._state = "over"

    def _over(self, now: float, by: Literal["server", "carrier", "lost"], *, tell: bool = True) -> None:
        self._state = "over"
        self._line.ear.clear()
        self._line.note(StreamOver(at_ms=self._line.at_ms(now), by=by))
        if tell:
            self._callback(now, "stream-stopped")

    def _go_on(self, now: float) -> None:
        self._done(now, Fetch(self._verb.action, self._verb.method, {}) if self._verb.action else Continue())

    def _callback(self, now: float, event: str, error: str | None = None) -> None:
        stream, identity = self._verb.stream, self._line.identity
        if not stream.status_callback:
            return
        if not stream.status_callback.startswith(("http://", "https://")):
            self._line.debug(now, 11100, f"statusCallback={stream.status_callback!r} of <Stream> is not an absolute URL")
            return
        params = {
            "AccountSid": identity.account_sid,
            "CallSid": identity.call_sid,
            "StreamSid": self.stream_sid,
            "StreamName": stream.name or self.stream_sid,
            "StreamEvent": event,
            "Timestamp": nanoseconds(self._line.epoch_ms + now),
        }
        if error is not None:
            params["StreamError"] = error
        self._line.callback(now, "stream-status", stream.status_callback, stream.status_callback_method, params)


def nanoseconds(wall_ms: float) -> str:
    """ISO 8601 with nine digits after the second, as stream callbacks have it."""
    seconds, ms = divmod(wall_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{int(ms * 1_000_000):09d}Z"
