"""Whatever comes, in whatever order: the simulated phone keeps its promises and never raises."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.phone.call import NotInProgress, PhoneCall
from simulator.phone.outputs import AbortStream, CallOver, CloseStream, HttpRequest, OpenStream, Output, SendStream
from simulator.phone.playout import Playout
from simulator.phone.policies import Human, Jitter, Policies
from simulator.phone.timeline import MarkEchoed, MarkReceived
from tests.simulator.phone_doubles import ACCOUNT, NUMBER, STREAM, TOKEN, response, scenario, speak, speech, step

VERBS = [
    STREAM,
    "<Say>hello</Say>",
    "<Pause/>",
    "<Hangup/>",
    '<Record action="/a" timeout="1" recordingStatusCallback="/r"/>',
    '<Gather numDigits="1" timeout="1"><Say>x</Say></Gather>',
    '<Dial action="/a"><Number url="/screen">+15005550010</Number></Dial>',
    "<Dial>+15005550010</Dial>",
    "<Dial/>",
    "<Redirect>/again</Redirect>",
    "<Enqueue/>",
    "<Nonsense/>",
    '<Connect><Stream url="nowhere"/></Connect>',
]
documents = st.lists(st.sampled_from(VERBS), max_size=4).map(lambda verbs: response(*verbs)) | st.text(max_size=20)
messages = st.one_of(
    st.text(),
    st.binary(),
    st.sampled_from(["media", "long", "mark", "clear"]),
)
inputs = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 20_000)),
    st.tuples(st.just("answer"), documents),
    st.tuples(st.just("status"), st.integers(200, 599)),
    st.tuples(st.just("fail"), st.sampled_from(["connect", "broken"])),
    st.tuples(st.just("open"), st.none()),
    st.tuples(st.just("refuse"), st.sampled_from([None, 403])),
    st.tuples(st.just("close"), st.sampled_from([1000, 1006])),
    st.tuples(st.just("message"), messages),
    st.tuples(st.just("message"), messages),
    st.tuples(st.just("rest"), st.sampled_from(["completed", "canceled", "twiml", "url"])),
    st.tuples(st.just("hang up"), st.none()),
    st.tuples(st.just("drop"), st.none()),
)
policies = st.builds(
    Policies,
    cleared_marks=st.sampled_from(["echo", "drop", "late"]),
    jitter=st.none() | st.just(Jitter(delay_ms=50, burst_chance=0.1, loss_chance=0.1)),
    stream_setup_ms=st.sampled_from([0, 365]),
    dies_after_ms=st.none() | st.integers(0, 2000),
    after_death=st.sampled_from(["action", "silence"]),
    action_after_hangup=st.booleans(),
    anyone=st.builds(Human, outcome=st.sampled_from(["answers", "busy", "no-answer", "failed"]), after_ms=st.integers(0, 5000)),
    voicemail=st.none() | st.just("a message"),
)
SCRIPT = scenario(
    step(when="answered", after_ms=200, say="hello"),
    step(when="previous", after_ms=100, dtmf="1#"),
    step(noise_ms=100),
    step(when="agent_speaking", say="wait"),
    step(hang_up=True),
    gives_up_after_s=60,
)


class Watch:
    """Checks, output by output, what a shell may rely on."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.stream: str | None = None
        self.over = False

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case HttpRequest():
                    self.open.append(output.request_id)
                case OpenStream():
                    assert self.stream is None
                    self.stream = "opening"
                case SendStream():
                    assert self.stream == "open"
                    json.loads(output.text)
                case CloseStream() | AbortStream():
                    assert self.stream is not None
                    self.stream = None
                case CallOver():
                    assert not self.over
                    self.over = True
        assert not (self.over and self.stream)


def feed(call: PhoneCall, watch: Watch, now: float, kind: str, value: Any) -> list[Output]:
    match kind:
        case "answer" | "status" | "fail" if watch.open:
            request_id = watch.open.pop(0)
            if kind == "answer":
                return call.http_answered(now, request_id, 200, "text/xml", value)
            if kind == "status":
                return call.http_answered(now, request_id, value, "text/xml", response())
            return call.http_failed(now, request_id, value)
        case "open" if watch.stream == "opening":
            watch.stream = "open"
            return call.stream_opened(now)
        case "refuse" if watch.stream == "opening":
            watch.stream = None
            return call.stream_refused(now, value)
        case "close" if watch.stream == "open":
            watch.stream = None
            return call.stream_closed(now, value)
        case "message" if watch.stream == "open":
            return call.stream_message(now, message_of(value, call.stream_sid))
        case "hang up":
            return call.hang_up(now)
        case "drop":
            return call.drop_stream(now)
        case "rest":
            return rest(call, now, value)
    return []


def rest(call: PhoneCall, now: float, what: str) -> list[Output]:
    try:
        match what:
            case "completed":
                return call.rest_update(now, status="completed")
            case "canceled":
                return call.rest_update(now, status="canceled")
            case "twiml":
                return call.rest_update(now, twiml=response(STREAM.replace("/stream-ended", "http://h/e")))
        return call.rest_update(now, url="http://h/again")
    except NotInProgress:
        return call.poll(now)


def message_of(value: str | bytes, sid: str | None) -> str | bytes:
    match value:
        case "media" | "long":
            payload = "AAAA" * (40 if value == "media" else 4000)
            return json.dumps({"event": "media", "streamSid": sid, "media": {"payload": payload}})
        case "mark":
            return json.dumps({"event": "mark", "streamSid": sid, "mark": {"name": "m"}})
        case "clear":
            return json.dumps({"event": "clear", "streamSid": sid})
    return value


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(inputs, max_size=25), policies, st.integers(0, 5))
def test_any_order_of_inputs_keeps_the_promises_to_the_shell(
    sequence: list[tuple[str, Any]], policies: Policies, seed: int
) -> None:
    call = PhoneCall(SCRIPT, NUMBER, account_sid=ACCOUNT, auth_token=TOKEN, policies=policies, seed=seed, speak=speak)
    watch, now = Watch(), 0.0
    watch.take(call.dial(now))
    for kind, value in [("answer", response(STREAM)), ("open", None), *sequence, ("wait", 130_000)]:
        if kind == "wait":
            until = now + value
            while (wake := call.wake_at_ms) is not None and wake <= until:
                now = max(now, wake)
                watch.take(call.poll(now))
                assert call.wake_at_ms is None or call.wake_at_ms > now
            now = until
        watch.take(feed(call, watch, now, kind, value))
        said, heard = call.recording.caller, call.recording.heard
        assert len(said) == len(heard) <= now * 8 + 1
    assert call.is_over == watch.over
    received = [one for one in call.timeline if isinstance(one, MarkReceived)]
    assert len([one for one in call.timeline if isinstance(one, MarkEchoed)]) <= len(received)
    assert [one.at_ms for one in call.timeline if isinstance(one, MarkEchoed)] == sorted(
        one.at_ms for one in call.timeline if isinstance(one, MarkEchoed)
    )


@settings(derandomize=True)
@given(st.lists(st.one_of(st.integers(1, 400), st.sampled_from(["audio", "mark", "clear"]))))
def test_every_sample_is_heard_once_or_cleared_and_every_mark_comes_once(acts: list[int | str]) -> None:
    ear, sent, cleared, marks, back = Playout(), 0, 0, 0, 0
    for act in acts:
        if isinstance(act, int):
            ear.play_until(ear.position + act)
        elif act == "audio":
            ear.append(b"\x10" * 200)
            sent += 200
        elif act == "mark":
            marks += 1
            back += not ear.mark("m")
        else:
            cleared += ear.buffered
            back += len(ear.clear())
        back += len(ear.take_reached())
    ear.play_until(ear.end)
    back += len(ear.take_reached())
    assert ear.heard.count(0x10) == sent - cleared
    assert back == marks


def test_a_burst_of_a_minute_is_played_in_real_time() -> None:
    ear = Playout()
    ear.append(speech(60_000))
    ear.mark("end")
    ear.play_until(59_999 * 8)
    assert ear.take_reached() == []
    ear.play_until(60_000 * 8)
    assert ear.take_reached() == ["end"]
