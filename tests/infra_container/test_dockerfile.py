import pytest

from infra.container.dockerfile import DockerfileError, Instruction, command_of, expanded, read_stages


def test_an_instruction_goes_on_behind_a_backslash_and_comments_are_left_out() -> None:
    (stage,) = read_stages('FROM scratch\n# a comment\nENV A=1 \\\n    B="2 3"\n\nUSER 5\n', {})
    assert [(one.name, one.line) for one in stage.instructions] == [("ENV", 3), ("USER", 6)]
    assert stage.instructions[0].pairs == {"A": "1", "B": "2 3"}


def test_a_base_is_filled_in_from_its_argument() -> None:
    text = "ARG BASE=python:3.13\nFROM ${BASE} AS build\nFROM $BASE\n"
    assert [(stage.name, stage.base) for stage in read_stages(text, {})] == [("build", "python:3.13"), ("", "python:3.13")]
    assert read_stages(text, {"BASE": "mine"})[0].base == "mine"


def test_an_instruction_that_cannot_be_tried_is_an_error_and_not_left_out() -> None:
    with pytest.raises(DockerfileError, match="line 2: ADD is not among"):
        read_stages("FROM scratch\nADD https://example.com/x /srv/x\n", {})


def test_a_file_without_from_is_refused() -> None:
    with pytest.raises(DockerfileError, match="no FROM"):
        read_stages("RUN true\n", {})


def test_flags_stand_before_the_value() -> None:
    health = Instruction("HEALTHCHECK", '--interval=10s --timeout=3s CMD ["a", "--b=c"]', 7)
    assert health.flags == {"interval": "10s", "timeout": "3s"}
    assert health.rest == 'CMD ["a", "--b=c"]'


def test_a_list_is_run_as_it_is_and_a_sentence_by_the_shell() -> None:
    one = Instruction("CMD", "", 1)
    assert command_of(one, '["a", "b c"]') == ["a", "b c"]
    assert command_of(one, "a b") == ["/bin/sh", "-c", "a b"]


@pytest.mark.parametrize("value", ["['a']", "[1]", "[]", '["a"'])
def test_what_looks_like_a_list_and_is_none_is_refused(value: str) -> None:
    """An engine would hand it to the shell without a word."""
    with pytest.raises(DockerfileError, match="line 4: CMD"):
        command_of(Instruction("CMD", value, 4), value)


def test_a_variable_that_is_not_set_is_nothing() -> None:
    assert expanded("a${X}b$Y", {"X": "1"}) == "a1b"
