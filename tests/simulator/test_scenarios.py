"""What scenarios can ask of a caller's line, and what becomes of calls that are over."""

import asyncio

import numpy as np
import pytest

from simulator import g711
from simulator.phone.call import PhoneCall
from simulator.phone.cloud import PhoneCloud
from simulator.phone.mouth import FRAME_BYTES, Mouth
from simulator.phone.policies import Number
from simulator.scenario import Caller, Scenario, shipped, shipped_names

NOISE_RMS = 140
GUARD_S = 20
NUMBER = Number(voice_url="http://127.0.0.1:9/nobody")


def rms(audio: bytes) -> float:
    return float(np.sqrt(np.mean(g711.decode(audio).astype(float) ** 2)))


def said(mouth: Mouth, frames: int) -> bytes:
    return b"".join(mouth.frame().audio for _ in range(frames))


def tone(amplitude: int, frames: int) -> bytes:
    return g711.encode(amplitude * np.sin(np.arange(frames * FRAME_BYTES) * 0.5))


def test_a_noisy_line_is_as_loud_as_the_scenario_says_also_while_nobody_talks() -> None:
    assert rms(said(Mouth(NOISE_RMS), 200)) == pytest.approx(NOISE_RMS, rel=0.05)
    assert rms(said(Mouth(), 200)) < 20


def test_the_noise_is_under_what_is_said_too() -> None:
    mouth, speech = Mouth(NOISE_RMS), tone(4000, 50)
    mouth.say(speech)
    heard = said(mouth, 50)
    difference = g711.decode(heard).astype(float) - g711.decode(speech)
    assert float(np.sqrt(np.mean(difference**2))) == pytest.approx(NOISE_RMS, rel=0.1)
    assert not mouth.is_talking


def test_a_loud_voice_on_a_noisy_line_is_clipped_and_does_not_wrap_around() -> None:
    mouth = Mouth(3000)
    mouth.say(g711.encode(np.full(50 * FRAME_BYTES, 32_000)))
    assert g711.decode(said(mouth, 50)).min() > 15_000


def test_the_noise_of_a_call_is_that_of_its_seed() -> None:
    def line(seed: int) -> bytes:
        scenario = Scenario(name="n", title="n", business="b", to="+1", caller=Caller(line_noise_rms=NOISE_RMS))
        call = PhoneCall(scenario, NUMBER, account_sid="AC", auth_token=None, seed=seed)
        return said(call._line.mouth, 10)

    assert line(1) == line(1)
    assert line(1) != line(2)


def test_a_quiet_line_leaves_the_call_as_it_was_before_there_were_noisy_ones() -> None:
    def sid(noise_rms: int) -> str:
        scenario = Scenario(name="n", title="n", business="b", to="+1", caller=Caller(line_noise_rms=noise_rms))
        return PhoneCall(scenario, NUMBER, account_sid="AC", auth_token=None, seed=1).call_sid

    assert sid(0) == sid(NOISE_RMS)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_scenario_is_named_like_its_file(name: str) -> None:
    assert shipped(name).name == name


async def test_a_call_that_is_forgotten_leaves_its_sid_to_nobody() -> None:
    caller = Scenario(name="n", title="n", business="b", to="+1")
    async with asyncio.timeout(GUARD_S), PhoneCloud("AC" + "0" * 32, None, seed=1) as cloud:
        sids = []
        for _ in range(3):
            call = cloud.place_call(caller, NUMBER)
            await asyncio.sleep(0)
            call.hang_up()
            cloud.forget(call.call_sid)
            assert call.call_sid in cloud.calls, "its webhooks are still on their way"
            await call.finished()
            cloud.forget(call.call_sid)
            sids.append(call.call_sid)
        assert cloud.calls == {}
        assert len(set(sids)) == 3


def test_forgetting_a_call_nobody_knows_is_no_harm() -> None:
    cloud = PhoneCloud("AC" + "0" * 32, None)
    cloud.forget("CA" + "0" * 32)
    assert cloud.calls == {}
