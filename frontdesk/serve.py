"""``frontdesk serve``."""

import asyncio
import gc
import os
import signal
import socket

import click
import structlog

from calls.business_files import BusinessFileError
from calls.exit_codes import ExitCode
from calls.store.base import StoreError
from frontdesk.logs import set_up_logs
from frontdesk.runner import run
from frontdesk.serving import deployed, listen, run_until
from frontdesk.settings import Settings, SettingsError, read_settings

log = structlog.get_logger()


def serve() -> int:
    """Answers calls until told to stop. Returns the exit code."""
    set_up_logs()
    try:
        settings = read_settings()
        listener = listen(settings.host, settings.port)
        if settings.port == 0:  # any free port; the URLs given to Twilio need the real one
            settings = read_settings({**os.environ, "PORT": str(listener.getsockname()[1])})
        return run(_serve(settings, listener))
    except (SettingsError, BusinessFileError) as error:
        click.echo(f"frontdesk: {error}", err=True)
        return ExitCode.USAGE
    except StoreError as error:
        click.echo(f"frontdesk: {error}", err=True)
        return ExitCode.UNAVAILABLE
    except OSError as error:
        click.echo(
            f"frontdesk: cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. Set HOST and PORT.",
            err=True,
        )
        return ExitCode.UNAVAILABLE


async def _serve(settings: Settings, listener: socket.socket) -> int:
    leave, leave_now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if leave.is_set():
            leave_now.set()
        leave.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with deployed(settings, listener) as deployment:
        # A full collection stops every call; without all that start-up made, and nothing frees, it takes 15 ms instead of 60.
        gc.collect()
        gc.freeze()
        log.info(
            "serve.ready",
            listening=deployment.url,
            public_url=settings.public_url,
            model=settings.bridge.model.default_model,
            store=settings.store,
            verify_twilio=settings.bridge.verify_twilio,
        )
        await run_until(deployment, leave, leave_now, settings.bridge.drain_s)
    log.info("serve.stopped")
    return ExitCode.OK
