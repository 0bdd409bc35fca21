"""A process that posts the outbox of the store at argv[1] to the webhook at argv[2] until its stdin is closed or it is killed."""

import asyncio
import os
import sys

from bridge.posting import posting
from calls.business_files import BusinessDirectory
from calls.store import outbox_of
from calls.store.sqlite import SqliteStore
from tests.bridge.receiver import SECRET
from tests.bridge.shops import shop


async def main(path: str, url: str) -> None:
    os.environ["WEBHOOK_SECRET"] = SECRET
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    store = SqliteStore(path)
    await store.open()
    async with posting(outbox_of(store), BusinessDirectory([shop(url)]), f"process-{os.getpid()}"):
        await lines.read()
    await store.close()


asyncio.run(main(*sys.argv[1:]))
