"""The webhooks through Quart, with a store on disk behind them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from quart import Quart
from werkzeug.datastructures import Headers

from calls.store.blocking import BlockingStore
from calls.store.sqlite import SqliteStore
from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SID, Desk, disposed
from tests.webhooks.test_dispatch import PARAMS, sign
from webhooks.dispatch import MAX_BODY_BYTES, TwilioAuth
from webhooks.quart_routes import webhook_blueprint

FORM = "application/x-www-form-urlencoded"


def app_of(desk: Desk) -> Quart:
    app = Quart(__name__)
    app.register_blueprint(webhook_blueprint(desk.context, TwilioAuth(auth_token=AUTH_TOKEN)))
    return app


def headers_for(url: str, params: dict[str, str]) -> dict[str, str]:
    return {"Content-Type": FORM, "X-Twilio-Signature": sign(url, params), "Host": "10.0.0.7:8000", "X-Forwarded-Proto": "http"}


async def ask(app: Quart, path: str, params: dict[str, str], *, base: str = PUBLIC_URL) -> tuple[int, str, str]:
    """POSTs as Twilio does; answers status, content type and body."""
    response = await app.test_client().post(path, headers=headers_for(base + path, params), data=urlencode(params))
    return response.status_code, response.headers.get("Content-Type", ""), await response.get_data(as_text=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "calls.db")
    await store.open()
    yield store
    await store.close()


async def test_a_call_goes_from_ring_to_rest(store: SqliteStore) -> None:
    app = app_of(Desk(ledger=BlockingStore(store, asyncio.get_running_loop())))

    status, content_type, body = await ask(app, "/incoming-call", PARAMS)
    assert (status, content_type) == (200, "text/xml; charset=utf-8")
    assert "wss://bridge.example/media-stream/bobs-hvac" in body
    assert await ask(app, "/incoming-call", PARAMS) == (status, content_type, body)

    await store.set_disposition(SID, disposed("hang_up", say="להתראות"))
    _, _, body = await ask(app, "/stream-ended", {**PARAMS, "CallStatus": "in-progress"})
    assert "להתראות</Say><Hangup" in body

    over = {**PARAMS, "CallStatus": "completed", "CallDuration": "9"}
    assert (await ask(app, "/call-status", over))[0] == 204
    record = await store.get_call(SID)
    assert record is not None
    assert (record.end_reason, record.duration_ms) == ("farewell", 9000)
    assert [event.kind for event in await store.events(SID)] == ["call.started", "call.ended"]


async def test_a_store_that_is_closed_does_not_cost_the_caller_a_voice(store: SqliteStore) -> None:
    app = app_of(Desk(ledger=BlockingStore(store, asyncio.get_running_loop())))
    await store.close()
    status, _, body = await ask(app, "/incoming-call", PARAMS)
    assert status == 200
    assert "<Dial" in body


async def test_an_unsigned_request_is_refused() -> None:
    response = await app_of(Desk()).test_client().post("/incoming-call", data=urlencode(PARAMS), headers={"Content-Type": FORM})
    assert response.status_code == 403


async def test_the_raw_query_is_what_is_signed() -> None:
    query = urlencode({**PARAMS, "Odd": "a b+c/%"}).replace("+", "%20")
    signature = sign(f"{PUBLIC_URL}/incoming-call?{query}")
    response = await app_of(Desk()).test_client().get(f"/incoming-call?{query}", headers={"X-Twilio-Signature": signature})
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/incoming-call", "/phone/incoming-call", "/phone/incoming-call/"])
async def test_the_path_of_the_public_url_may_be_stripped_or_not(path: str) -> None:
    app = app_of(Desk(public_url="https://h.example/phone"))
    signed = "https://h.example/phone/incoming-call" + ("/" if path.endswith("/") else "")
    response = await app.test_client().post(path, headers=headers_for(signed, PARAMS), data=urlencode(PARAMS))
    assert response.status_code == 200


async def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    headers = {"Content-Type": FORM, "Content-Length": str(MAX_BODY_BYTES + 1)}
    response = await app_of(Desk()).test_client().post("/incoming-call", headers=headers, data=b"a")
    assert response.status_code == 413


async def test_a_body_that_grows_too_large_is_refused() -> None:
    request = app_of(Desk()).test_client().request("/incoming-call", method="POST", headers=Headers({"Content-Type": FORM}))
    async with request as connection:
        for _ in range(5):
            await connection.send(b"a" * (MAX_BODY_BYTES // 4))
        await connection.send_complete()
    assert (await connection.as_response()).status_code == 413


async def test_other_methods_are_refused() -> None:
    client = app_of(Desk()).test_client()
    responses = [await client.head("/incoming-call"), await client.options("/incoming-call"), await client.put("/incoming-call")]
    assert [response.status_code for response in responses] == [405, 405, 405]


async def test_the_loop_is_free_while_a_handler_waits() -> None:
    loop = asyncio.get_running_loop()

    class Ledger:
        """The loop itself has to bring its answer about."""

        def note_action(self, *_: Any) -> None:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)

    desk = Desk(ledger=Ledger())
    status, _, body = await ask(app_of(desk), "/stream-ended", {**PARAMS, "CallStatus": "in-progress"})
    assert status == 200
    assert "<Hangup" in body
    assert desk.lines[-1][1] == "the stream of an unknown call has ended"


async def test_the_blueprint_leaves_other_paths_to_the_bridge() -> None:
    app = app_of(Desk())

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    client = app.test_client()
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/nothing")).status_code == 404
