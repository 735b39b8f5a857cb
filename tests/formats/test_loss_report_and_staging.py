"""The account of an import: what it says, where it lies, and that a refused import leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formats_cases import Source, as_json, small_import, small_source

from archipel.cli.main import main
from archipel.formats import importing
from archipel.formats.importing import import_scenario
from archipel.formats.loss_report import FEW, named
from archipel.formats.networks import READERS, known_formats
from archipel.formats.staging import inside, staged
from archipel.model import Diverged, ImportRefused


def written_source(folder: Path) -> Path:
    source = folder / "net.json"
    source.write_text(as_json(small_source()), encoding="utf-8")
    return source


def test_the_report_states_the_sums_of_the_source_and_of_what_was_kept() -> None:
    def out_of_service(source: Source) -> None:
        source["load"]["in_service"] = [True, True, True]
        source["load"]["bus"][0] = 99  # a node the source does not have

    report = small_import(out_of_service).report
    assert report.in_source is not None
    lost = report.in_source.p_load_kw - report.p_load_kw
    assert lost == pytest.approx(small_source()["load"]["p_mw"][0] * 1000.0)
    assert f"total in the source (nominal, in service): load {report.in_source.p_load_kw:,.1f} kW" in str(report)


def test_few_elements_are_named_and_of_many_the_first_three() -> None:
    assert named(["a", "b"]) == " (a, b)"
    many = [f"line/{i}" for i in range(FEW + 4)]
    assert named(many) == " (line/0, line/1, line/2, and 7 more)"
    assert named([]) == ""


def test_the_report_lies_beside_the_scenario_as_text_and_as_json(tmp_path: Path) -> None:
    written = import_scenario(written_source(tmp_path), tmp_path / "out", compare=False)
    text = (tmp_path / "out" / "import-report.txt").read_text(encoding="utf-8")
    assert text == f"{written.report}\n"
    assert "voltages were not compared (as asked)" in text
    content = json.loads((tmp_path / "out" / "import-report.json").read_text(encoding="utf-8"))
    assert content["before"] == dict(written.report.before)
    assert content["kept"]["p_load_kw"] == pytest.approx(530.0)


def test_a_comparison_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> float:
        raise Diverged("the whole network", 60, 1.0)

    monkeypatch.setattr(type(READERS[-1]), "compare", refuse)
    written = import_scenario(written_source(tmp_path), tmp_path / "out")
    assert written.report.dv_pu_max is None
    assert "voltages were not compared (power flow of the whole network did not converge" in str(written.report)


def test_an_import_says_its_steps_to_whoever_listens(tmp_path: Path) -> None:
    steps: list[str] = []
    import_scenario(written_source(tmp_path), tmp_path / "out", compare=False, say=steps.append)
    assert [step.split()[0] for step in steps] == ["reading", "proposing", "writing"]


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="plain name"):
        import_scenario(written_source(tmp_path), tmp_path / "out", name="../elsewhere")
    with pytest.raises(ImportRefused, match="out of the folder"):
        inside(tmp_path, "../elsewhere.dss")


def test_a_refused_import_leaves_no_file_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportRefused("no")

    monkeypatch.setattr(importing, "check_scenario", refuse)
    with pytest.raises(ImportRefused):
        import_scenario(written_source(tmp_path), tmp_path / "new" / "out", compare=False)
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


def spoil(staging: Path) -> None:
    (staging / "mine.txt").write_text("spoilt")
    raise ImportRefused("no")


def test_a_folder_that_is_there_keeps_its_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with staged(folder) as staging:
        (staging / "below").mkdir()
        (staging / "below" / "new.txt").write_text("new")
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["mine.txt", "new.txt"]
    with pytest.raises(ImportRefused), staged(folder) as staging:
        spoil(staging)
    assert (folder / "mine.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_format_that_does_not_exist_is_refused_with_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(written_source(tmp_path)), "-o", str(tmp_path / "out"), "--format", "powerworld"]) == 2
    told = capsys.readouterr().err
    assert all(reader.name in told and reader.files in told for reader in READERS)
    assert not (tmp_path / "out").exists()


def test_the_formats_are_listed_with_their_files_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["import", "--list"], ["import", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
        assert known_formats() in capsys.readouterr().out
