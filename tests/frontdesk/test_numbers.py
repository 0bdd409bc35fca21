"""``frontdesk numbers``: what a number does, pointing it here, putting it back; against a Twilio that is simulated to the wire."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from frontdesk import pointing
from frontdesk.number_backups import changing_backups, read_backups
from frontdesk.numbers import Setup, in_words, set_up, setup_for
from simulator.phone.incoming_numbers import PhoneNumber
from tests.frontdesk.telephony import ORIGIN, OURS, Desk, a_desk, code_of

FUNCTION = "https://shop-1234.twil.io/incoming"
ELSEWHERE = {
    "friendly_name": "החנות 📞",
    "voice_url": FUNCTION,
    "voice_method": "GET",
    "voice_fallback_url": "https://old.example/fallback",
    "voice_fallback_method": "GET",
    "status_callback": "https://old.example/status",
    "status_callback_method": "GET",
}
HERE = msgspec.structs.asdict(setup_for(ORIGIN))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as desk:
        yield desk


def at_twilio(desk: Desk, number: PhoneNumber) -> dict[str, str]:
    """What Twilio has for a number's calls now."""
    now = desk.cloud.numbers[number.sid]
    return {name: getattr(now, name) or "" for name in Setup.__struct_fields__}


def changed_by_somebody(desk: Desk, number: PhoneNumber, **changes: str) -> None:
    desk.cloud.numbers[number.sid] = msgspec.structs.replace(desk.cloud.numbers[number.sid], **changes)


async def test_a_number_is_pointed_here_and_put_back_exactly(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    before = at_twilio(desk, own)

    pointed = await desk.run("numbers", "point", OURS, "--yes")
    here = at_twilio(desk, own)
    restored = await desk.run("numbers", "restore", OURS, "--yes")

    assert (code_of(pointed), here) == (0, HERE)
    assert (code_of(restored), at_twilio(desk, own)) == (0, before)
    assert desk.cloud.numbers[own.sid].friendly_name == ELSEWHERE["friendly_name"]
    assert f"points to {FUNCTION} (a Twilio Function)" in restored.stderr
    assert read_backups(desk.backups) == {}


@pytest.mark.parametrize("overriding", [{"trunk_sid": "TK" + "a" * 32}, {"voice_application_sid": "AP" + "b" * 32}, {}], ids=str)
async def test_a_trunk_or_an_app_that_had_the_calls_is_taken_away_and_given_back(desk: Desk, overriding: dict[str, str]) -> None:
    own = desk.cloud.own(OURS, **overriding)
    before = at_twilio(desk, own)

    await desk.run("numbers", "point", OURS, "--yes")
    assert at_twilio(desk, own) == HERE
    await desk.run("numbers", "restore", OURS, "--yes")
    assert at_twilio(desk, own) == before


async def test_what_was_there_first_is_not_overwritten_by_pointing_again(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    await desk.run("numbers", "point", OURS, "--yes")
    again = await desk.run("numbers", "point", OURS, "--yes")
    moved = await desk.run("numbers", "point", OURS, "--yes", "--public-url", "https://new.example/")

    assert "points here already" in again.stderr
    assert code_of(moved) == 0
    assert at_twilio(desk, own)["voice_url"] == "https://new.example/incoming-call"
    (known,) = read_backups(desk.backups).values()
    assert known.before.voice_url == FUNCTION
    await desk.run("numbers", "restore", OURS, "--yes")
    assert at_twilio(desk, own)["voice_url"] == FUNCTION


async def test_a_command_that_dies_before_twilio_is_asked_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    before = at_twilio(desk, own)

    def dies(*_: object) -> Setup:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(pointing, "set_up", dies)
        await desk.run("numbers", "point", OURS, "--yes")
    assert at_twilio(desk, own) == before
    assert len(read_backups(desk.backups)) == 1

    pointed = await desk.run("numbers", "point", OURS, "--yes")
    restored = await desk.run("numbers", "restore", OURS, "--yes")
    assert (code_of(pointed), code_of(restored), at_twilio(desk, own)) == (0, 0, before)


async def test_a_command_that_dies_after_twilio_was_asked_can_be_run_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    before = at_twilio(desk, own)
    await desk.run("numbers", "point", OURS, "--yes")

    def answer_is_lost(*arguments: Any) -> Setup:
        set_up(*arguments)
        raise requests.exceptions.ReadTimeout

    with monkeypatch.context() as losing:
        losing.setattr(pointing, "set_up", answer_is_lost)
        lost = await desk.run("numbers", "restore", OURS, "--yes")
    restored = await desk.run("numbers", "restore", OURS, "--yes")

    assert (code_of(lost), "no answer within 10 s" in lost.stderr) == (3, True)
    assert (code_of(restored), at_twilio(desk, own)) == (0, before)
    assert read_backups(desk.backups) == {}


@pytest.mark.parametrize("command", ["point", "restore"])
async def test_what_somebody_else_has_set_since_is_lost_only_with_force(desk: Desk, command: str) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    await desk.run("numbers", "point", OURS, "--yes")
    changed_by_somebody(desk, own, voice_url="https://colleague.example/voice")

    refused = await desk.run("numbers", command, OURS, "--yes")
    assert (code_of(refused), "somebody else" in refused.stderr) == (1, True)
    assert at_twilio(desk, own)["voice_url"] == "https://colleague.example/voice"

    forced = await desk.run("numbers", command, OURS, "--yes", "--force")
    assert code_of(forced) == 0
    assert at_twilio(desk, own)["voice_url"] == (HERE["voice_url"] if command == "point" else FUNCTION)


async def test_nothing_is_put_back_that_is_not_remembered(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    result = await desk.run("numbers", "restore", OURS, "--yes")
    assert (code_of(result), "nothing is remembered" in result.stderr) == (4, True)
    assert at_twilio(desk, own)["voice_url"] == FUNCTION


@pytest.mark.parametrize("command", ["point", "restore"])
async def test_a_dry_run_says_what_would_be_changed_and_changes_nothing(desk: Desk, command: str) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    if command == "restore":
        await desk.run("numbers", "point", OURS, "--yes")
    before, kept = at_twilio(desk, own), read_backups(desk.backups)

    result = await desk.run("numbers", command, OURS, "--dry-run")

    assert code_of(result) == 0
    assert FUNCTION in result.stderr
    assert (at_twilio(desk, own), read_backups(desk.backups)) == (before, kept)


async def test_nobody_is_taken_for_a_yes(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    result = await desk.run("numbers", "point", OURS)
    assert (code_of(result), at_twilio(desk, own)["voice_url"]) == (2, FUNCTION)


async def test_every_number_of_the_account_is_shown_however_many_pages_there_are(desk: Desk) -> None:
    numbers = [f"+1500555{number:04}" for number in range(450)]
    for number in numbers:
        desk.cloud.own(number)
    result = await desk.run("numbers", "show", "--json")
    shown = json.loads(result.stdout)
    assert [one["number"] for one in shown] == numbers
    assert shown[6]["business_id"] == "corner-shop"
    assert shown[8]["business_id"] is None


async def test_a_number_is_shown_with_what_it_means_and_what_it_did_before(desk: Desk) -> None:
    desk.cloud.own(OURS, **ELSEWHERE)
    await desk.run("numbers", "point", OURS, "--yes")

    (shown,) = json.loads((await desk.run("numbers", "show", "+1 (500) 555-0006", "--json")).stdout)
    table = (await desk.run("numbers", "show", OURS)).stdout

    assert (shown["meaning"], shown["before"]["voice_url"]) == ("points here", FUNCTION)
    for word in (OURS, "החנות 📞", "corner-shop", "points here", "a Twilio Function", f"voice_url = {HERE['voice_url']}"):
        assert word in table


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        (setup_for(ORIGIN), "points here"),
        (Setup(voice_url=f"{ORIGIN}/api/twiml"), "points here, without fallback and status callback"),
        (msgspec.structs.replace(setup_for(ORIGIN), status_callback=""), "points here, without status callback"),
        (Setup(voice_url=f"{ORIGIN}/menu"), "points here, to /menu, which answers no calls"),
        (Setup(voice_url=f"{ORIGIN}.evil.example/incoming-call"), f"points to {ORIGIN}.evil.example/incoming-call"),
        (Setup(voice_url="https://handler.twilio.com/twiml/EH1"), "points to https://handler.twilio.com/twiml/EH1 (a TwiML Bin)"),
        (Setup(voice_url="https://[broken"), "points to https://[broken"),
        (Setup(), "points nowhere: callers hear that nothing is set up"),
        (
            msgspec.structs.replace(setup_for(ORIGIN), voice_application_sid="AP1"),
            "TwiML app AP1: its addresses are asked instead of these",
        ),
        (
            msgspec.structs.replace(setup_for(ORIGIN), trunk_sid="TK1"),
            "SIP trunk TK1: calls go there, the addresses are not asked",
        ),
    ],
)
def test_a_setup_is_put_into_words(setup: Setup, words: str) -> None:
    assert in_words(setup, ORIGIN) == words


@pytest.mark.parametrize(
    ("public_url", "words"),
    [
        (None, "PUBLIC_URL is not set"),
        ("http://phone.example", "not an https address"),
        ("https://phone.example?a=1", "not an https address"),
        ("https://127.0.0.1:8000", "this machine, which Twilio cannot reach"),
        ("https://localhost", "this machine, which Twilio cannot reach"),
    ],
)
async def test_an_address_twilio_cannot_reach_is_refused(desk: Desk, public_url: str | None, words: str) -> None:
    desk.cloud.own(OURS, **ELSEWHERE)
    result = await desk.run("numbers", "point", OURS, "--yes", PUBLIC_URL=public_url)
    assert (code_of(result), words in result.stderr) == (2, True)


async def test_a_number_of_no_business_is_warned_of(desk: Desk) -> None:
    own = desk.cloud.own("+15005550099")
    result = await desk.run("numbers", "point", "+15005550099", "--yes")
    assert (code_of(result), at_twilio(desk, own)) == (0, HERE)
    assert "No business file" in result.stderr


@pytest.mark.parametrize(
    ("number", "business", "code"), [("+15005550099", "corner-shop", 1), (OURS, "nobody", 4), (OURS, "corner-shop", 0)]
)
async def test_a_business_that_is_named_has_to_have_the_number(desk: Desk, number: str, business: str, code: int) -> None:
    desk.cloud.own(number)
    assert code_of(await desk.run("numbers", "point", number, "--business", business, "--yes")) == code


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "words"),
    [
        (["show"], {"TWILIO_AUTH_TOKEN": "wrong"}, 1, "does not accept TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
        (["show", OURS], {"TWILIO_AUTH_TOKEN": "wrong"}, 1, "does not accept"),
        (["show"], {"TWILIO_AUTH_TOKEN": None}, 2, "are not set"),
        (["show"], {"TWILIO_API_URL": "http://127.0.0.1:9"}, 3, "cannot be reached"),
        (["show", "+15005550099"], {}, 4, "has no number +15005550099"),
        (["show", "PN" + "0" * 32], {}, 4, "knows nothing of that name"),
        (["point", "garbage"], {}, 2, "is no telephone number"),
        (["point", "+15005550006\x1b[2J"], {}, 2, "is no telephone number"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    desk: Desk, arguments: list[str], environ: dict[str, str | None], code: int, words: str
) -> None:
    desk.cloud.own(OURS)
    result = await desk.run("numbers", *arguments, **environ)
    assert (code_of(result), words in result.stderr) == (code, True)
    assert "\x1b" not in result.stderr
    assert "Traceback" not in result.stderr


async def test_a_file_of_memories_that_cannot_be_read_is_not_overwritten(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    desk.backups.write_text('{"PN1": {"number": 7')
    result = await desk.run("numbers", "point", OURS, "--yes")
    assert (code_of(result), at_twilio(desk, own)["voice_url"]) == (1, FUNCTION)
    assert desk.backups.read_text() == '{"PN1": {"number": 7'


async def test_what_cannot_be_remembered_is_not_changed(desk: Desk) -> None:
    own = desk.cloud.own(OURS, **ELSEWHERE)
    desk.environ["FRONTDESK_STORE"] = f"sqlite:{desk.folder / 'nowhere' / 'calls.db'}"
    result = await desk.run("numbers", "point", OURS, "--yes")
    assert (code_of(result), at_twilio(desk, own)["voice_url"]) == (1, FUNCTION)
    assert "nothing can be remembered" in result.stderr


def test_two_commands_do_not_change_the_memories_at_once(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "number-backups.json"
    with (
        changing_backups(path),
        (tmp_path / ".number-backups.json.lock").open() as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
