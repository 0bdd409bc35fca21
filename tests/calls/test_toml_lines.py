"""The line each key of a TOML text stands on."""

import pytest

from calls.toml_lines import KeyLines

TEXT = '''# a comment = 1
id = "a"
"quoted" = 1
instructions = """
id = "not a key"
[not.a.table]
"""
one_line = """x"""
numbers = [
  "a",
  "b",
]
hours.mon = ["x"]
[barge_in]   # why
rms = 200
[[tools.http]]
url = "a"
[[tools.http]]
url = "b"
headers = { A = "1" }
[tools.http.parameters]
type = "object"
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("id", 2),
        ("quoted", 3),
        ("instructions", 4),
        ("one_line", 8),
        ("numbers", 9),
        ("numbers[1]", 9),
        ("hours.mon", 13),
        ("hours.mon[0]", 13),
        ("barge_in", 14),
        ("barge_in.rms", 15),
        ("barge_in.gone", 14),
        ("tools.http[0].url", 17),
        ("tools.http[1].url", 19),
        ("tools.http[1].headers.A", 20),
        ("tools.http[1].parameters.type", 22),
        ("tools.http[1].gone", 18),
        ("not.a.table", None),
        ("gone", None),
        ("", None),
    ],
)
def test_a_key_stands_on_its_line_or_on_that_of_what_it_is_in(key: str, line: int | None) -> None:
    assert KeyLines(TEXT).of(key) == line
