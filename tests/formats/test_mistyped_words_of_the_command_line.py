"""A mistyped command, option or choice is answered with the one meant and the usage of its own subcommand."""

from __future__ import annotations

import pytest

from archipel.cli.main import main


@pytest.mark.parametrize(
    ("words", "usage", "told"),
    [
        (("impotr", "net.json"), "usage: archipel [-h]", "Did you mean import?"),
        (("run", "district", "--strategy", "distributd"), "usage: archipel run ", "Did you mean distributed?"),
        (("adopt", "my-grid", "--pvs", "0.4"), "usage: archipel adopt ", "--pvs 0.4. Did you mean --pv?"),
        (("adopt", "my-grid", "--pvs=0.4"), "usage: archipel adopt ", "--pvs=0.4. Did you mean --pv?"),
        (("data", "ad", "my-grid", "x.csv"), "usage: archipel data ", "Did you mean add?"),
        (("data", "add", "g", "x.csv", "--what", "laod"), "usage: archipel data add ", "Did you mean load?"),
        (("run", "district", "--zzz"), "usage: archipel run ", "unrecognized arguments: --zzz."),
        (("zzz",), "usage: archipel [-h]", "choose from 'demo'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_meant(
    words: tuple[str, ...], usage: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(usage)
    assert told in said.splitlines()[-1]


def test_a_word_like_none_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "district", "--zzz"])
    assert "Did you mean" not in capsys.readouterr().err
