"""One business for each simulated call, so that a model session (``?model=``) says whose it is."""

from pathlib import Path

TEXT = """\
id = "{shop}"
name = "Bench"
numbers = ["{number}"]
language = "en"
voice = "marin"
model = "{shop}"
instructions = "You answer the phone."

[greeting]
text = "Hi, this is the bench, how can I help you?"

[closing]
text = "Thank you for calling, goodbye."

[barge_in]
hold_ms = {hold_ms}
grace_ms = {grace_ms}

[limits]
max_concurrent = 1000

[tools]
builtin = ["get_current_time"]
"""
QUICK_FROM = 500
GREETING = "Hi, this is the bench, how can I help you?"
CLOSING = "Thank you for calling, goodbye."


def shop_of(index: int) -> str:
    """The id of the nth call's business, and the name of its model."""
    return f"bench-{index:03}"


def number_of(index: int) -> str:
    """What the nth caller dials."""
    return f"+1500556{index:04}"


def open_shops(folder: Path, count: int) -> None:
    """Writes the files of the first ``count`` businesses, which have the default gate, and of as many from ``QUICK_FROM`` on, whose
    gate is so quick that it can cut before a mark has come back. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    for first, hold_ms, grace_ms in ((0, 180, 120), (QUICK_FROM, 40, 40)):
        for index in range(first, first + count):
            text = TEXT.format(shop=shop_of(index), number=number_of(index), hold_ms=hold_ms, grace_ms=grace_ms)
            (folder / f"{shop_of(index)}.toml").write_text(text, encoding="utf-8")
