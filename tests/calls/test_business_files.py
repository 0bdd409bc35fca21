"""Business files: every problem is named, with its line and in words its owner understands."""

from pathlib import Path

import pytest

from calls.business_files import BusinessFileError, Problem, check_file, check_files, load_businesses

HEAD = """id = "bobs-hvac"
name = "Bob's HVAC Service"
numbers = ["+15005550006"]
language = "en"
voice = "alloy"
instructions = "You answer the phone."
"""

BOOKS = '[tools]\nbuiltin = ["book_appointment"]\n'
BUILT_IN = HEAD + '[tools]\nbuiltin = ["end_call"]\n'
TEXTS = HEAD + '[tools]\nbuiltin = ["send_sms"]\n'
SEMANTIC = HEAD + '[turns]\ndetector = "semantic_vad"\n'
URL = 'description = "d"\nurl = "https://x.example"\n'
DIALS = '[escalation]\nto = "+15005550010"\n'


def webhook(line: str = "", *, url: str | None = "https://x.example/", secret: str = "${SET}") -> str:
    """A file with a webhook: its address is on line 8, its secret on line 9, and ``line`` on line 10."""
    address = f'url = "{url}"\n' if url is not None else ""
    return HEAD + f'[webhook]\n{address}secret = "{secret}"\n{line}\n'


def weather(lines: str) -> str:
    """A file with one HTTP tool; ``lines`` come on line 11 and after."""
    return HEAD + '[[tools.http]]\nname = "weather"\ndescription = "d"\nurl = "https://weather.example/"\n' + lines


def booking(line: str) -> str:
    """A business that books, open for an hour on Mondays, with a line of [appointments]."""
    return HEAD + BOOKS + f'[hours]\nmon = ["08:00-09:00"]\n[appointments]\n{line}\n'


def http(url: str) -> str:
    """A file with one HTTP tool whose address is on line 10."""
    return HEAD + f'[[tools.http]]\nname = "weather"\ndescription = "d"\nurl = "{url}"\n'


def written(folder: Path, text: str | bytes, name: str = "bobs.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def found(path: Path, **environ: str) -> list[tuple[int | None, str, str]]:
    return [(one.line, one.key, one.severity) for one in check_file(path, environ)]


SOUND = {
    "the six keys": HEAD,
    "with a byte order mark": "\ufeff" + HEAD,
    "with Windows line ends": HEAD.replace("\n", "\r\n"),
    "all address forms": HEAD.replace('"+15005550006"', '"+15005550006", "whatsapp:+15005550006", "sip:a@b.example", "client:x"'),
    "Hebrew": HEAD.replace('"en"', '"he"').replace("Bob's HVAC Service", "המוסך של דנה 🚗"),
    "a custom voice": HEAD.replace("alloy", "voice_68af"),
    "hours": HEAD + '[hours]\ntimezone = "Asia/Jerusalem"\nsun = ["08:00-12:00", "13:00-24:00"]\n',
    "a whole number where a fraction may be": HEAD + "[audio]\nspeed = 1\n",
    "a dial fallback with somebody to dial": HEAD + '[fallback]\nmode = "dial"\n' + DIALS,
    "WhatsApp with a SIP escalation": HEAD.replace("+1500", "whatsapp:+1500") + '[escalation]\nto = "sip:a@b.example"\n',
    "semantic detection": HEAD + '[turns]\ndetector = "semantic_vad"\neagerness = "low"\n',
    "text messages from the dialled number": TEXTS,
    "text messages from a number of its own": TEXTS + '[sms]\nfrom = "+15005550007"\nallow = ["+15005550010"]\n',
    "a tool on this machine": http("http://127.0.0.1:9000/x"),
    "a tool with parameters called temperature": weather(
        'parameters = { type = "object", properties = { temperature = { type = "number" } } }\n'
    ),
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_a_sound_file_has_no_problem(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert check_file(path, {}) == []
    assert len(load_businesses(tmp_path, {})) == 1


PROBLEMS: list[tuple[str, str, int | None, str, str]] = [
    # key, severity, line, part of the message, file
    ("", "error", 7, "is not TOML", HEAD + "= 3\n"),
    ("", "error", 8, "is not TOML", HEAD + 'x = "\ny = 1\n'.replace('"\n', "[\n")),
    ("name", "error", None, 'is missing; add a line such as name = "Bob\'s', HEAD.replace("name =", "# name =")),
    ("numbers", "error", None, 'such as numbers = ["+15005550006"]', HEAD.replace("numbers =", "# numbers =")),
    ("greting", "error", 7, "did you mean greeting?", HEAD + '[greting]\ntext = "Hi"\n'),
    ("barge_in.holdms", "error", 8, "is not a key of [barge_in]; did you mean hold_ms?", HEAD + "[barge_in]\nholdms = 1\n"),
    ("max_call_s", "error", 7, "it belongs in [limits]", HEAD + "max_call_s = 9\n"),
    ("greeting.zzz", "error", 8, "it has text, mode", HEAD + "[greeting]\nzzz = 9\n"),
    ("tools.http[0].urll", "error", 11, "is not a key of [tools.http]; did you mean url?", weather("urll = 1\n")),
    ("temperature", "error", 7, "the current Realtime API no longer has it; remove the line", HEAD + "temperature = 0.8\n"),
    ("turns.temperature", "error", 8, "the current Realtime API no longer has it", HEAD + "[turns]\ntemperature = 0.8\n"),
    ("tools.http[0].temperature", "error", 11, "the current Realtime API no longer has it", weather("temperature = 1\n")),
    ("id", "error", 1, 'is "Bob\'s"; it must be small letters, digits and hyphens', HEAD.replace("bobs-hvac", "Bob's")),
    ("name", "error", 2, "must not be empty", HEAD.replace("Bob's HVAC Service", "")),
    ("name", "error", 2, "is 201 characters long; at most 200 fit", HEAD.replace("Bob's HVAC Service", "ש" * 201)),
    ("numbers", "error", 3, "is empty; give at least one", HEAD.replace('"+15005550006"', "")),
    ("numbers", "error", 3, 'must be a list in square brackets, not "+15005550006"', HEAD.replace('["+15005550006"]', '"+15005550006"')),
    ("numbers[0]", "error", 3, '"(500) 555-0006" is not an address', HEAD.replace("+15005550006", "(500) 555-0006")),
    ("numbers[0]", "error", 3, "is not an address", HEAD.replace("+15005550006", "whatsapp:5005550006")),
    ("numbers[0]", "error", 3, "is not an address", HEAD.replace("+15005550006", "sip:nobody")),
    ("numbers[1]", "error", 3, "is listed twice", HEAD.replace('"+15005550006"', '"sip:a@b.example", "sips:a@B.example:5061"')),
    ("language", "error", 4, 'the two small letters of ISO 639-1, such as "en"', HEAD.replace('"en"', '"en-US"')),
    ("language", "warning", 4, "fall back to English", HEAD.replace('"en"', '"is"')),
    ("voice", "warning", 5, "known are alloy, ash, ballad, coral", HEAD.replace("alloy", "onyx")),
    ("voice", "error", 5, "must be text in quotes, not 7", HEAD.replace('"alloy"', "7")),
    ("model", "warning", 7, "shuts it down on 2027-01-20; use gpt-realtime-2.1", HEAD + 'model = "gpt-realtime"\n'),
    ("model", "warning", 7, "use gpt-realtime-2.1-mini", HEAD + 'model = "gpt-realtime-mini"\n'),
    ("model", "warning", 7, "retired preview", HEAD + 'model = "gpt-4o-realtime-preview-2024-12-17"\n'),
    ("instructions", "warning", 6, "{hours} will read 'not stated'", HEAD.replace("the phone", "the phone, {hours}")),
    ("greeting.mode", "error", 8, 'must be one of "live", "recorded", not "loud"', HEAD + '[greeting]\nmode = "loud"\n'),
    ("hours.timezone", "error", 8, '"Mars" is not a time zone', HEAD + '[hours]\ntimezone = "Mars"\n'),
    ("hours.mon", "error", 8, "'8-12' is not HH:MM-HH:MM", HEAD + '[hours]\nmon = ["8-12"]\n'),
    ("hours.mon", "error", 8, "overlap", HEAD + '[hours]\nmon = ["08:00-12:00", "11:00-13:00"]\n'),
    ("hours.mon[0]", "error", 8, "must be text in quotes, not 8", HEAD + "[hours]\nmon = [8]\n"),
    ("hours.monday", "error", 8, "did you mean mon", HEAD + '[hours]\nmonday = ["08:00-12:00"]\n'),
    ("audio.speed", "error", 8, "must be at least 0.25 and at most 1.5, not 3", HEAD + "[audio]\nspeed = 3\n"),
    ("audio.speed", "error", 8, "must be at least 0.25 and at most 1.5, not nan", HEAD + "[audio]\nspeed = nan\n"),
    ("audio.transcription_language", "error", 8, 'or "auto"', HEAD + '[audio]\ntranscription_language = "english"\n'),
    ("audio.transcription_model", "warning", 8, "2027-02-26", HEAD + '[audio]\ntranscription_model = "whisper-1"\n'),
    ("turns.threshold", "error", 8, "must be at least 0 and at most 1, not 2", HEAD + "[turns]\nthreshold = 2\n"),
    ("turns.threshold", "warning", 9, 'no effect with detector = "semantic_vad"', SEMANTIC + "threshold = 0.5\n"),
    ("turns.silence_duration_ms", "warning", 9, "no effect with detector", SEMANTIC + "silence_duration_ms = 500\n"),
    ("turns.eagerness", "warning", 8, "no effect without detector", HEAD + '[turns]\neagerness = "low"\n'),
    ("barge_in.rms", "error", 8, "must be more than 0, not 0", HEAD + "[barge_in]\nrms = 0\n"),
    ("barge_in.rms", "error", 8, 'must be a whole number, without quotes, not "200"', HEAD + '[barge_in]\nrms = "200"\n'),
    ("barge_in.rms", "error", 8, "must be a whole number, without quotes, not 200.5", HEAD + "[barge_in]\nrms = 200.5\n"),
    ("barge_in.rms", "error", 8, "must be a whole number, without quotes, not true", HEAD + "[barge_in]\nrms = true\n"),
    ("barge_in.rms", "error", 8, "not a date or time", HEAD + "[barge_in]\nrms = 2026-01-01\n"),
    ("barge_in.enabled", "error", 8, "must be true or false, without quotes, not 1", HEAD + "[barge_in]\nenabled = 1\n"),
    ("audio.speed", "error", 8, "must be a number, without quotes", HEAD + '[audio]\nspeed = "1"\n'),
    ("audio.input", "error", 8, 'one of "pcm", "pcmu", not "pcm16"', HEAD + '[audio]\ninput = "pcm16"\n'),
    ("limits.max_cost_usd_per_day", "warning", 8, "less than one call may cost", HEAD + "[limits]\nmax_cost_usd_per_day = 1.5\n"),
    ("greeting.closed_text", "warning", 8, "no effect without [hours]", HEAD + '[greeting]\nclosed_text = "Closed."\n'),
    ("hours.when_closed", "error", 8, 'one of "answer", "fallback"', HEAD + '[hours]\nwhen_closed = "never"\n'),
    ("privacy.retention_days", "error", 8, "more than 0", HEAD + "[privacy]\nretention_days = 0\n"),
    ("blocked[1]", "error", 7, "is nobody who calls", HEAD + 'blocked = ["anonymous", "5005550100"]\n'),
    ("blocked[0]", "warning", 7, "does not call itself", HEAD + 'blocked = ["whatsapp:+15005550006"]\n'),
    ("appointments", "warning", 7, 'no effect without "book_appointment"', HEAD + "[appointments]\nduration_min = 30\n"),
    ("tools.builtin", "warning", 8, '"book_appointment" has no hours to book in', HEAD + BOOKS),
    ("appointments.duration_min", "warning", 12, "of which the longest is 60 min; nothing can be booked", booking("duration_min = 61")),
    ("appointments.duration_min", "error", 12, "must be more than 0 and at most 1440, not 0", booking("duration_min = 0")),
    ("appointments.per_slot", "error", 12, "must be more than 0", booking("per_slot = 0")),
    ("appointments.duration", "error", 12, "did you mean duration_min?", booking("duration = 30")),
    (
        "tools.http[0].name",
        "error",
        14,
        'another tool is called "cancel_appointment", too',
        booking("") + '[[tools.http]]\nname = "cancel_appointment"\n' + URL,
    ),
    ("webhook.url", "error", 8, "must begin with https://", webhook(url="http://shop.example/")),
    ("webhook.url", "error", 7, "is missing; it is required here", webhook(url=None)),
    ("webhook.url", "warning", 8, "variable HOOK_KEY is not set here", webhook(url="https://x.example/${HOOK_KEY}")),
    ("webhook.secret", "error", 9, "must be the name of an environment variable", webhook(secret="hunter2")),
    ("webhook.secret", "error", 9, "must be the name of an environment variable", webhook(secret="a${PATH}")),
    ("webhook.secret", "warning", 9, "variable NOT_SET is not set here", webhook(secret="${NOT_SET}")),
    ("webhook.events", "error", 10, "is empty; give at least one", webhook("events = []")),
    ("webhook.events[1]", "error", 10, "did you mean lead.captured?", webhook('events = ["call.ended", "lead.capture"]')),
    ("webhook.events[0]", "error", 10, '"" is not an event kind', webhook('events = [""]')),
    ("recording.enabled", "warning", 8, "variable FRONTDESK_RECORDINGS is not set here", HEAD + "[recording]\nenabled = true\n"),
    ("recording.consent", "warning", 8, "has no effect without enabled = true", HEAD + '[recording]\nconsent = "Hm."\n'),
    ("sms.from", "error", 8, "is not a number texts can be sent from", HEAD + '[sms]\nfrom = "SHOP"\n'),
    ("sms.allow[1]", "error", 8, "is not a number texts can be sent to", HEAD + '[sms]\nallow = ["+15005550010", "Bob"]\n'),
    ("tools.builtin", "warning", 8, '"send_sms" has no number to send from', TEXTS.replace("+15005550006", "client:shop")),
    ("outbound", "warning", 7, "no telephone number to call from", HEAD.replace("+1500", "whatsapp:+1500") + "[outbound]\n"),
    ("closing", "error", 7, "must be a table, not true", HEAD + "closing = true\n"),
    ("escalation.to", "error", 8, '"911" cannot be dialled', HEAD + '[escalation]\nto = "911"\n'),
    ("escalation.to", "error", 7, "is missing", HEAD + "[escalation]\n"),
    ("escalation.to", "warning", 8, "this business's own number", HEAD + '[escalation]\nto = "+15005550006"\n'),
    ("escalation.to", "warning", 8, "cannot be reached from a WhatsApp call", HEAD.replace("+1500", "whatsapp:+1500") + DIALS),
    ("fallback.mode", "error", 8, '"dial" needs somebody to dial; add [escalation]', HEAD + '[fallback]\nmode = "dial"\n'),
    ("tools.builtin[1]", "error", 8, 'not "fly"', HEAD + '[tools]\nbuiltin = ["end_call", "fly"]\n'),
    ("tools.http[0].url", "error", 7, "is missing; it is required here", HEAD + '[[tools.http]]\nname = "x"\ndescription = "x"\n'),
    ("tools.http[0].url", "error", 10, "must begin with https://", http("http://weather.example/")),
    ("tools.http[0].url", "error", 10, "must begin with https://", http("http://localhost.evil.example/")),
    ("tools.http[0].url", "error", 10, "must begin with https://", http("weather.example")),
    ("tools.http[0].url", "error", 10, "must begin with https://", http("https://[::1")),
    ("tools.http[0].url", "warning", 10, "variable CITY is not set here", http("https://x.example/${CITY}/${CITY}")),
    ("tools.http[0].headers.A", "warning", 11, "variable KEY is not set here", weather('headers = { A = "Bearer ${KEY}" }\n')),
    ("tools.http[0].headers.A", "error", 11, "must be text in quotes, not 7", weather("headers = { A = 7 }\n")),
    ("tools.http[0].parameters", "error", 11, 'add type = "object"', weather('parameters = { city = "string" }\n')),
    ("tools.http[1].name", "error", 12, 'another tool is called "weather", too', weather(http("https://x.example").removeprefix(HEAD))),
    ("tools.http[0].name", "error", 10, 'another tool is called "end_call", too', BUILT_IN + '[[tools.http]]\nname = "end_call"\n' + URL),
    ("tools.http[0].name", "error", 8, "letters, digits, _ and -", weather("").replace('"weather"', '"my tool"')),
    ("tools.mcp[0].server_url", "error", 9, "https://", HEAD + '[[tools.mcp]]\nserver_label = "x"\nserver_url = "ftp://x"\n'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "severity", "line", "words", "text"), PROBLEMS)
def test_a_problem_is_named_with_its_key_line_and_remedy(  # noqa: PLR0917
    tmp_path: Path, key: str, severity: str, line: int | None, words: str, text: str
) -> None:
    path = written(tmp_path, text)
    problems = check_file(path, {"SET": "x"})

    named = [(one.key, one.severity, one.file) for one in problems]
    assert named == [(key, severity, str(path))]
    assert words in problems[0].message
    assert problems[0].line == line


def test_a_tool_that_hands_over_needs_somebody_to_hand_over_to(tmp_path: Path) -> None:
    problems = check_file(written(tmp_path, HEAD + '[tools]\nbuiltin = ["escalate_to_human"]\n'), {})
    assert any("nobody to escalate to" in one.message for one in problems)
    assert {one.severity for one in problems} == {"warning"}


def test_all_problems_of_a_file_are_found_at_once(tmp_path: Path) -> None:
    text = HEAD.replace("alloy", "onyx").replace('"en"', '"eng"') + (
        'temperature = 1\n[hours]\nmon = ["8-12"]\n[barge_in]\nrms = "x"\nholdms = 1\n[fallback]\nmode = "dial"\n'
        '[[tools.http]]\nname = "a"\n[[tools.http]]\nname = "b"\ndescription = "b"\nurl = "http://b.example"\n'
    )
    assert found(written(tmp_path, text)) == [
        (4, "language", "error"),
        (5, "voice", "warning"),
        (7, "temperature", "error"),
        (9, "hours.mon", "error"),
        (11, "barge_in.rms", "error"),
        (12, "barge_in.holdms", "error"),
        (14, "fallback.mode", "error"),
        (15, "tools.http[0].description", "error"),
        (15, "tools.http[0].url", "error"),
        (20, "tools.http[1].url", "error"),
    ]


def test_an_escalation_that_is_wrong_is_not_also_called_missing(tmp_path: Path) -> None:
    text = HEAD + '[fallback]\nmode = "dial"\n[escalation]\ntoo = "+15005550010"\n'
    assert [one.key for one in check_file(written(tmp_path, text), {})] == ["escalation.to", "escalation.too"]


def test_a_variable_that_is_set_is_no_problem(tmp_path: Path) -> None:
    path = written(tmp_path, weather('headers = { A = "Bearer ${KEY}" }\n'))
    assert found(path, KEY="x") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"id = 1\nname = \"\xff\"\n", "is not UTF-8 text"), (b"\x00\x01", "is not TOML"), (b"a = " + b"[" * 5000, "is not TOML")],
)  # fmt: skip
def test_a_file_of_another_kind_is_one_problem(tmp_path: Path, content: bytes, words: str) -> None:
    problems = check_file(written(tmp_path, content), {})
    assert len(problems) == 1
    assert words in problems[0].message


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert [one.message for one in check_file(tmp_path / "gone.toml", {})] == ["cannot be read: No such file or directory"]


def test_an_id_or_number_in_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    first, second = written(tmp_path, HEAD, "a.toml"), written(tmp_path, HEAD, "b.toml")
    problems = check_files([first, second], {})

    assert [(one.file, one.key, one.line) for one in problems] == [(str(second), "id", 1), (str(second), "numbers", 3)]
    assert all(str(first) in one.message for one in problems)
    with pytest.raises(BusinessFileError) as caught:
        load_businesses(tmp_path, {})
    assert caught.value.problems == tuple(problems)


def test_loading_reports_the_errors_of_all_files_and_only_those(tmp_path: Path) -> None:
    written(tmp_path, HEAD + "temperature = 1\n", "a.toml")
    written(tmp_path, HEAD.replace("alloy", "onyx").replace("bobs", "danas").replace("0006", "0007") + "x_y = 1\n", "b.toml")
    with pytest.raises(BusinessFileError) as caught:
        load_businesses(tmp_path, {})

    lines = str(caught.value).splitlines()
    assert lines[0] == f"{tmp_path}/a.toml:7: temperature: the current Realtime API no longer has it; remove the line"
    assert [one.key for one in caught.value.problems] == ["temperature", "x_y"]


def test_a_folder_without_files_says_what_to_do(tmp_path: Path) -> None:
    written(tmp_path, HEAD, ".hidden.toml")
    with pytest.raises(BusinessFileError, match="holds no business file; put one"):
        load_businesses(tmp_path)
    with pytest.raises(BusinessFileError, match="there is no such folder; make it"):
        load_businesses(tmp_path / "gone")


def test_warnings_do_not_keep_a_business_from_loading(tmp_path: Path) -> None:
    written(tmp_path, HEAD.replace("alloy", "onyx"))
    directory = load_businesses(tmp_path, {})
    assert [one.key for one in directory.warnings] == ["voice"]
    assert [profile.voice for profile in directory] == ["onyx"]


def test_the_shipped_businesses_have_no_errors() -> None:
    folder = Path(__file__).parents[2] / "businesses"
    assert {profile.id for profile in load_businesses(folder, {})} >= {"bobs-hvac", "dana-garage"}


def test_a_problem_is_one_line_of_place_key_and_sentence() -> None:
    assert str(Problem(file="a.toml", key="", message="is not TOML")) == "a.toml: is not TOML"
    assert str(Problem(file="a.toml", key="x", message="bad", line=3)) == "a.toml:3: x: bad"
    assert str(Problem(file="a.toml", key="x", message="odd", line=3, severity="warning")) == "a.toml:3: warning: x: odd"


def test_a_secret_that_was_written_into_the_file_is_not_repeated(tmp_path: Path) -> None:
    (problem,) = check_file(written(tmp_path, webhook(secret="hunter2")), {"SET": "x"})
    assert "hunter2" not in str(problem)
