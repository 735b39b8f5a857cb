"""The engine's child process: what it may read, write and take, and how it says that a model is no good."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from opendss_cases import HEAD, TAIL, public, write_model

from archipel.formats.networks.opendss.child import Limits, OpenDssChild
from archipel.formats.networks.opendss.closure import closure_of, root_of
from archipel.formats.networks.opendss.commands import COMMANDS
from archipel.formats.networks.opendss.fence import shut_in
from archipel.formats.networks.opendss.wire import FrameTooLongError, read_frame, write_frame
from archipel.model import ImportRefused

LINE = "New Line.l1 bus1=sourcebus bus2=b r1=0.1 x1=0.1 length=1\nNew Load.a bus1=b kv=12.47 kw=100 pf=0.9"


def refusal(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(ImportRefused) as caught, OpenDssChild(path.parent, path.name, limits):
        pass
    return str(caught.value)


@settings(max_examples=40)
@given(
    hnp.arrays(
        st.sampled_from([np.dtype("<f8"), np.dtype("<i8"), np.dtype("<c16"), np.dtype("|b1")]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    ),
    st.text(),
)
def test_what_is_written_to_the_wire_is_what_is_read(array: np.ndarray, text: str) -> None:
    stream = io.BytesIO()
    write_frame(stream, {"text": text, "nested": {"list": [array, 1.5, None]}})
    stream.seek(0)
    body = read_frame(stream, 1 << 20)
    assert body is not None
    assert body["text"] == text
    got = body["nested"]["list"][0]
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)
    assert read_frame(stream, 1 << 20) is None


def test_a_frame_longer_than_allowed_is_not_read() -> None:
    stream = io.BytesIO()
    write_frame(stream, {"a": np.zeros(1000)})
    stream.seek(0)
    with pytest.raises(FrameTooLongError):
        read_frame(stream, 4000)
    with pytest.raises(FrameTooLongError):
        read_frame(io.BytesIO(b'{"body": "' + b"x" * 5000), 1000)


def test_no_object_of_python_passes_the_wire() -> None:
    head = b'{"body": {"#": 0}, "arrays": [["|O", [1]]]}\n'
    with pytest.raises(ValueError, match="kind"):
        read_frame(io.BytesIO(head + b"\0" * 8), 1 << 20)


def test_the_abbreviations_of_commands_are_those_of_the_engine() -> None:
    dss = pytest.importorskip("opendssdirect")
    engine = [dss.Executive.Command(i + 1).lower() for i in range(dss.Executive.NumCommands())]
    assert list(COMMANDS) == engine


def test_a_model_compiles_and_answers_with_its_voltages(tmp_path: Path) -> None:
    path = write_model(tmp_path, LINE)
    with OpenDssChild(tmp_path, path.name) as child:
        answer = child.ask("voltages")
    v = dict(zip(answer["node"], answer["v"], strict=True))
    assert abs(v["sourcebus.1"]) == pytest.approx(12470 / 3**0.5, rel=1e-6)
    assert abs(v["b.1"]) < abs(v["sourcebus.1"])


def test_show_plot_export_save_and_system_commands_do_nothing(tmp_path: Path) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    outside.mkdir()
    lines = [
        f"Export voltages {outside / 'a.csv'}",
        f'"exp" voltages {outside / "b.csv"}',
        f"(save) circuit dir={outside / 'c'}",
        f"set da={outside}",
        f"DOScmd touch {outside / 'd'}",
        "show voltages",
        "Plot profile",
        "FileEdit x",
        f"  /* a comment for us\nexport voltages {outside / 'e.csv'}\n*/",
    ]
    path = write_model(folder, LINE + "\n" + TAIL + "\n".join(lines))
    before = sorted(folder.iterdir())
    with OpenDssChild(folder, path.name) as child:
        assert child.closure.left_out == {
            "export": 2, "save": 1, "set datapath": 1, "doscmd": 1, "show": 1, "plot": 1, "fileedit": 1,
        }  # fmt: skip
        assert child.ask("voltages")["node"]
    assert list(outside.iterdir()) == []
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Landlock is of Linux")
def test_behind_the_fence_nothing_outside_can_be_written_or_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("x")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # what is fenced stays fenced, so it happens in a process of its own
        found = 0
        try:
            if shut_in(inside, []):
                (inside / "mine").write_text("x")
                found = 1
                for attempt in ((outside / "new").touch, (outside / "secret").read_text):
                    try:
                        attempt()
                    except PermissionError:
                        found += 1
        finally:
            os.write(writer, struct.pack("i", found))
            os._exit(0)
    os.waitpid(child, 0)
    (found,) = struct.unpack("i", os.read(reader, 4))
    os.close(reader)
    os.close(writer)
    if found == 0:
        pytest.skip("LEFT OUT: this kernel has no Landlock")
    assert found == 3
    assert not (outside / "new").exists()


def test_the_child_process_is_fenced_where_the_kernel_can(tmp_path: Path) -> None:
    secret = tmp_path / "secret.dss"
    secret.write_text("New Load.stolen bus1=b kv=12.47 kw=1\n")
    # A name made at run time is not seen by reading the script; the kernel still says no.
    path = write_model(tmp_path / "model", f"{LINE}\nvar @f={secret}\nredirect @f")
    with OpenDssChild(path.parent, write_model(path.parent, LINE, "plain.dss").name) as child:
        fenced = child.fenced
    if not fenced:
        pytest.skip("LEFT OUT: this kernel has no Landlock")
    assert "Redirect file not found" in refusal(path)


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("New Load.x bus1=b kvv=1", 4, "kvv"),
        ("New Wibble.x bus1=b", 4, "wibble"),
        ("Redirect nowhere.dss", 4, "nowhere.dss"),
        ("Redirect /etc/hostname", 4, "absolute path"),
        ('Compile "C:\\models\\feeder.dss"', 4, "absolute path"),
        ("Redirect ../outside.dss", 4, "lies outside"),
        ("Redirect master.dss", 4, "leads back"),
        ("New Generator.g bus1=b kw=1 UserModel=evil.so", 4, "program library"),
        ("Storage.s.dynadll=evil.so", 4, "program library"),
    ],
)
def test_a_bad_script_is_refused_with_file_and_line(tmp_path: Path, body: str, line: int, words: str) -> None:
    write_model(tmp_path, LINE, "outside.dss")
    path = write_model(tmp_path / "model", body + "\n" + LINE)
    text = refusal(path)
    assert f"{path}, line {line}:" in text
    assert words.lower() in text.lower()
    assert "expected" in text


def test_all_bad_lines_of_a_script_are_named_at_once(tmp_path: Path) -> None:
    text = refusal(write_model(tmp_path, "Redirect /etc/hostname\nRedirect C:\\x.dss"))
    assert "line 4" in text
    assert "line 5" in text


@pytest.mark.parametrize("content", [b"", b"Clear\n", b"\x7fELF\x02\x01", bytes(range(256)) * 40])
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.dss"
    path.write_bytes(content)
    assert "expected" in refusal(path)


def test_a_library_beside_the_script_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_bytes(b"\x7fELF\x02\x01")
    assert "program or library" in refusal(write_model(tmp_path, LINE + "\nBusCoords places.csv"))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.dss").write_text("New Load.b bus1=b kv=12.47 kw=1\n")
    path = write_model(tmp_path / "model", LINE + "\nRedirect inner.dss")
    (path.parent / "inner.dss").symlink_to(tmp_path / "secret.dss")
    assert "lies outside" in refusal(path)


def test_a_script_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    path = write_model(tmp_path, LINE + "\n" + TAIL + "Set mode=yearly number=1000000000\nSolve")
    assert "did not finish within 4 s" in refusal(path, Limits(seconds=4.0))


def test_a_model_that_wants_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path, LINE + "\nNew LoadShape.s npts=2000000000 interval=1 mult=(1 2)")
    assert "memory" in (text := refusal(path)) or "MiB" in text


def test_an_answer_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path, LINE)
    with OpenDssChild(tmp_path, path.name, Limits(answer=2000)) as child, pytest.raises(ImportRefused, match="longer"):
        child.ask("everything")


def test_the_temporary_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = write_model(tmp_path / "model", LINE)
    with OpenDssChild(path.parent, path.name):
        assert len(list((tmp_path / "tmp").iterdir())) == 1
    refusal(write_model(tmp_path / "model", "New Wibble.x"))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_files_are_found_whatever_the_case_of_their_names(tmp_path: Path) -> None:
    write_model(tmp_path, LINE, "Feeder.DSS")
    (tmp_path / "run.dss").write_text("Compile (feeder.dss)\n")
    closure = closure_of(tmp_path, "run.dss")
    # Both are kept under the name the script speaks of: the engine looks for that one.
    assert set(closure.files) == {"run.dss", "feeder.dss"}
    with OpenDssChild(tmp_path, "run.dss") as child:
        assert child.ask("voltages")["node"]


def test_line_numbers_stay_those_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "master.dss"
    path.write_text(HEAD + LINE + "\nshow x\n/* no\nno */\n! no\nplot y\n" + TAIL)
    copy = closure_of(tmp_path, "master.dss").copies["master.dss"].decode()
    kept = {i: text for i, text in enumerate(copy.splitlines()) if not text.startswith("!")}
    source = path.read_text().splitlines()
    assert kept == {i: source[i] for i in kept}
    assert len(kept) == len((HEAD + LINE + "\n" + TAIL).splitlines())


def test_an_import_may_read_one_folder_above_the_master_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "codes.dss").write_text("New LineCode.c nphases=3 r1=0.1 x1=0.1\n")
    near = write_model(tmp_path / "feeder", "Redirect ../codes.dss\n" + LINE)
    far = write_model(tmp_path / "area" / "feeder", "Redirect ../../codes.dss\n" + LINE)
    alone = write_model(tmp_path / "alone", LINE)
    assert root_of(near) == tmp_path.resolve()
    assert root_of(far) == far.resolve().parent
    assert root_of(alone) == alone.resolve().parent
    with pytest.raises(ImportRefused, match="--root"):
        closure_of(root_of(far), far.name)
    assert set(closure_of(tmp_path, "area/feeder/master.dss").files) == {"area/feeder/master.dss", "codes.dss"}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("opendss/13Bus/IEEE13Nodeckt.dss", 4),
        ("opendss/LVTestCase/Master.dss", 63),
        ("opendss/ckt5/Master_ckt5.dss", 13),
        ("opendss/8500-Node/Master.dss", 12),
        ("opendss/epri_dpv/J1/Master_withPV.dss", 13),
    ],
)
def test_the_closure_of_a_public_master_is_what_it_reads_and_nothing_else(name: str, files: int) -> None:
    path = public(name).resolve()
    root = root_of(path)
    assert len(closure_of(root, str(path.relative_to(root))).files) == files


@pytest.mark.parametrize(
    "line",
    [
        "New LoadShape.s npts=24 interval=1 mult=(file=profiles/a.csv)",
        "New LoadShape.s npts=24 interval=1 csvfile=profiles/a.csv",
        "Redirect profiles/a.csv",
    ],
)
def test_a_missing_file_is_named_with_the_folder_to_copy(tmp_path: Path, line: str) -> None:
    said = refusal(write_model(tmp_path, f"{line}\n{LINE}"))
    assert "not there, 'profiles/a.csv'" in said
    assert "Copy the folder profiles there, beside the script, or correct the name. OpenDSS says: (#" in said
    assert f"expected it under {tmp_path}" in said
