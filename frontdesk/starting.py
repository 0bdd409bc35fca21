"""What comes before the first call, whether one process answers or several: settings, the port, and how it is said what is wrong."""

import os
import socket
from collections.abc import Callable

import click
import structlog

from calls.business_files import BusinessFileError
from calls.exit_codes import ExitCode
from calls.store.base import StoreError
from frontdesk.listening import CannotListen, listen
from frontdesk.logs import set_up_logs
from frontdesk.settings import Settings, SettingsError, read_settings

log = structlog.get_logger()


def exit_code_of(work: Callable[[], int]) -> int:
    """The exit code of ``work``; what keeps it from serving at all is said in one sentence."""
    try:
        return work()
    except (SettingsError, BusinessFileError) as error:
        click.echo(f"frontdesk: {error}", err=True)
        return ExitCode.USAGE
    except (StoreError, CannotListen) as error:
        click.echo(f"frontdesk: {error}", err=True)
        return ExitCode.UNAVAILABLE


def listening() -> tuple[Settings, socket.socket]:
    """The settings of the environment, with the port they lead to, and the socket that listens there.

    Raises:
        SettingsError: one of them cannot be used.
        CannotListen: the address is taken or is not this machine's.
    """
    settings = read_settings()
    set_up_logs(level=settings.watch.log_level, form=settings.watch.log_format)
    listener = listen(settings.host, settings.port)
    if settings.port == 0:  # any free port; the URLs given to Twilio need the real one
        settings = read_settings({**os.environ, "PORT": str(listener.getsockname()[1])})
    return settings, listener


def announce(settings: Settings, url: str, **facts: object) -> None:
    """Logs that calls are answered."""
    log.info(
        "serve.ready",
        listening=url,
        public_url=settings.public_url,
        model=settings.bridge.model.default_model,
        store=settings.store,
        bus=str(settings.bus),
        verify_twilio=settings.bridge.verify_twilio,
        **facts,
    )
