"""``frontdesk outbox``: what still has to be posted to businesses' webhooks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from calls.cli_output import CommandError, echo_json, echo_jsonl, narrate, printable
from calls.cli_store import business_option, from_store, json_option, jsonl_option, one_format, store_option
from calls.exit_codes import ExitCode
from calls.ids import BusinessId, CallSid

if TYPE_CHECKING:
    from calls.store.base import CallStore
    from calls.store.outbox import Queued, State

_Keys = list[tuple[CallSid, int]]


@click.group("outbox")
def outbox_group() -> None:
    """See what still has to be posted to businesses' webhooks, and what could not be.

    A message that a webhook did not take is tried again for three days. Then it is dead: it stays here until it is retried or dropped.

    \b
    Examples:
      frontdesk outbox list                    what waits, and what is dead
      frontdesk outbox retry --dead            once the webhook works again
      frontdesk outbox drop CA12…/17

    Data goes to stdout, everything else to stderr.

    \b
    Exit codes: 0 done · 1 failed · 2 usage · 3 store unavailable · 4 no such message
    """


@outbox_group.command("list")
@click.option("--dead", "only_dead", is_flag=True, help="Only those that are no longer tried.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, oldest first.")
@business_option
@json_option
@jsonl_option
@store_option
def list_outbox_command(
    *, only_dead: bool, limit: int, business_id: str | None, as_json: bool, as_jsonl: bool, store_url: str
) -> None:
    """List messages that are not posted yet, the oldest first.

    \b
    Examples:
      frontdesk outbox list --business bobs-hvac
      frontdesk outbox list --dead --jsonl | jq -r .last_error
    """
    from calls.store import outbox_of  # noqa: PLC0415  # drivers are loaded when a command runs

    one_format(as_json, as_jsonl)
    business = BusinessId(business_id) if business_id is not None else None
    state: State | None = "dead" if only_dead else None
    queued = from_store(store_url, lambda store: outbox_of(store).list(business_id=business, state=state, limit=limit))
    if as_json:
        echo_json(queued)
    elif as_jsonl:
        echo_jsonl(queued)
    elif not queued:
        narrate("Nothing is dead." if only_dead else "Everything is posted.")
    else:
        for one in queued:
            click.echo(printable(_line(one)))


@outbox_group.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--dead", "all_dead", is_flag=True, help="All that are dead.")
@store_option
def retry_command(ids: Sequence[str], all_dead: bool, store_url: str) -> None:
    """Post messages at once, and for another three days if need be. A running `frontdesk serve` does it within seconds.

    \b
    Examples:
      frontdesk outbox retry CA12…/17
      frontdesk outbox retry --dead
    """
    from calls.outbox import GIVE_UP_AFTER  # noqa: PLC0415
    from calls.store import outbox_of  # noqa: PLC0415

    keys = _chosen(ids, all_dead)
    now = datetime.now(UTC)

    async def retry(store: "CallStore") -> int:
        return await outbox_of(store).retry(keys, now, now + GIVE_UP_AFTER)

    _report(from_store(store_url, retry, read_only=False), keys, "will be posted")


@outbox_group.command("drop")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--dead", "all_dead", is_flag=True, help="All that are dead.")
@store_option
def drop_command(ids: Sequence[str], all_dead: bool, store_url: str) -> None:
    """Forget messages: they are not posted any more. The calls' records keep the events.

    \b
    Examples:
      frontdesk outbox drop CA12…/17
      frontdesk outbox drop --dead
    """
    from calls.store import outbox_of  # noqa: PLC0415

    keys = _chosen(ids, all_dead)
    _report(from_store(store_url, lambda store: outbox_of(store).drop(keys), read_only=False), keys, "dropped")


def _chosen(ids: Sequence[str], all_dead: bool) -> _Keys | None:
    """The messages named; ``None`` for all dead ones."""
    if bool(ids) == all_dead:
        raise click.UsageError("Name the messages, or give --dead.")
    return None if all_dead else [_key(one) for one in ids]


def _key(one: str) -> tuple[CallSid, int]:
    call_sid, slash, seq = one.rpartition("/")
    if not slash or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
        raise CommandError(f"{one!r} names no message; `frontdesk outbox list` shows them, such as CA12…/17", ExitCode.USAGE)
    return CallSid(call_sid), int(seq)


def _report(count: int, keys: _Keys | None, what: str) -> None:
    if keys is not None and count < len(set(keys)):
        done = f"; {count} {what}" if count else ""
        raise CommandError(f"{len(set(keys)) - count} of these are not in the outbox{done}", ExitCode.NOT_FOUND)
    narrate(f"{count} {'message' if count == 1 else 'messages'} {what}.")


def _line(one: "Queued") -> str:
    tries = f"tried {one.attempts}×" if one.attempts else "not tried yet"
    after = "dead" if one.next_try_at is None else f"next try {one.next_try_at[:19].replace('T', ' ')}"
    return "  ".join(filter(None, (one.id, one.business_id, one.kind, tries, after, one.last_error)))
