from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rigs import START

from archipel.cli.main import main
from archipel.transport.certificates import read_certificate
from archipel.transport.envelope import Refusal
from archipel.transport.errors import IdentityUnusable
from archipel.transport.identity import Authority, Identity
from archipel.transport.trust import CertifiedTrust

DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority", "demo", START)


def loaded(folder: Path) -> CertifiedTrust:
    return CertifiedTrust(Identity.load(folder, START))


def test_a_certificate_names_cell_area_and_signing_key_for_thirty_days(authority: Authority, tmp_path: Path) -> None:
    authority.issue("a", tmp_path / "a", START)
    identity = Identity.load(tmp_path / "a", START)
    found = identity.certified
    assert (found.name, found.area) == ("a", "demo")
    assert found.valid_until - START == 30 * DAY
    assert found.signing_key == identity.signing_key.public_key()
    assert found.verifies(identity.signing_key.sign(b"x"), b"x")
    assert not found.verifies(identity.signing_key.sign(b"x"), b"y")


def test_names_of_any_alphabet_come_back(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority", "Müñchen", START)
    made = authority.issue("ячейка:1,+(x)=y", tmp_path / "cell", START)
    assert (made.name, made.area) == ("ячейка:1,+(x)=y", "Müñchen")
    assert Identity.load(tmp_path / "cell", START).name == made.name


def test_secrets_are_readable_by_their_owner_alone(authority: Authority, tmp_path: Path) -> None:
    authority.issue("a", tmp_path / "a", START)
    for secret in (tmp_path / "authority" / "authority.key", tmp_path / "a" / "cell.pem"):
        assert secret.stat().st_mode & 0o777 == 0o600
    assert not [path.name for path in (tmp_path / "a").iterdir() if path.name == "authority.key"]
    assert b"PRIVATE" not in (tmp_path / "a" / "authority.crt").read_bytes()


def test_a_certificate_of_another_authority_or_time_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", "demo", START)
    pem = authority.issue("a", tmp_path / "a", START).pem
    assert read_certificate(pem, other.certificate, START) is Refusal.WRONG_CERTIFICATE
    assert read_certificate(pem, authority.certificate, START + 31 * DAY) is Refusal.EXPIRED
    assert read_certificate(pem, authority.certificate, START - DAY) is Refusal.EXPIRED
    assert read_certificate(pem * 100, authority.certificate, START) is Refusal.OVERSIZED
    own = (tmp_path / "authority" / "authority.crt").read_bytes()
    assert read_certificate(own, authority.certificate, START) is Refusal.WRONG_CERTIFICATE, "it is no cell"
    for at in range(30, len(pem) - 30, 37):
        broken = pem[:at] + bytes([pem[at] ^ 1]) + pem[at + 1 :]
        assert isinstance(read_certificate(broken, authority.certificate, START), Refusal)


def expose(folder: Path) -> None:
    (folder / "cell.pem").chmod(0o644)


def lose(folder: Path) -> None:
    (folder / "cell.pem").unlink()


def strip(folder: Path) -> None:
    path = folder / "cell.pem"
    path.write_bytes(path.read_bytes().partition(b"-----END CERTIFICATE-----\n")[0])


def swap(folder: Path) -> None:
    mine, others = ((folder.parent / name / "cell.pem") for name in ("a", "b"))
    head, end, _ = mine.read_bytes().partition(b"-----END CERTIFICATE-----\n")
    mine.write_bytes(head + end + others.read_bytes().partition(end)[2])


def careless(folder: Path) -> None:
    (folder / "authority.key").write_bytes((folder.parent / "authority" / "authority.key").read_bytes())


def astray(folder: Path) -> None:
    (folder / "authority.crt").write_bytes((folder.parent / "other" / "authority.crt").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (expose, "others may read it .mode 644, expected 600"),
        (lose, "cell.pem: not there. Make it with: archipel certs issue"),
        (strip, "expected a certificate and two keys"),
        (swap, "found keys that are not the certificate's. Make new ones: archipel certs rotate"),
        (careless, "found authority.key, expected it nowhere near a cell"),
        (astray, "found a certificate that is refused .wrong certificate"),
    ],
)
def test_a_cells_folder_that_cannot_be_used_says_what_is_wrong(
    spoil: Callable[[Path], None], complaint: str, authority: Authority, tmp_path: Path
) -> None:
    Authority.create(tmp_path / "other", "demo", START)
    for name in ("a", "b"):
        authority.issue(name, tmp_path / name, START)
    spoil(tmp_path / "a")
    with pytest.raises(IdentityUnusable, match=complaint):
        Identity.load(tmp_path / "a", START)


def test_a_rotated_cell_is_believed_with_its_new_keys_and_not_with_its_old(
    authority: Authority, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        authority.issue(name, tmp_path / name, START)
    old, b = loaded(tmp_path / "a"), loaded(tmp_path / "b")
    assert b.meet("a", old.introduction(), START) is None
    authority.rotate(tmp_path / "a", START)
    new = loaded(tmp_path / "a")
    assert b.meet("a", new.introduction(), START) is None
    assert b.check("a", new.sign(b"x"), b"x", START) is None
    assert b.check("a", old.sign(b"x"), b"x", START) is Refusal.FORGED
    assert b.meet("a", old.introduction(), START) is None
    assert b.check("a", new.sign(b"x"), b"x", START) is None, "the older certificate changed nothing"
    old.renew(Identity.load(tmp_path / "a", START))
    assert b.check("a", old.sign(b"x"), b"x", START) is None
    with pytest.raises(ValueError, match="found those of b"):
        old.renew(Identity.load(tmp_path / "b", START))


def test_a_revoked_cell_is_believed_no_more_and_the_newest_list_wins(authority: Authority, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        authority.issue(name, tmp_path / name, START)
    a, b, c = (loaded(tmp_path / name) for name in ("a", "b", "c"))
    empty = authority.revocations().to_bytes()
    for other in (a, c):
        assert b.meet(other.name, other.introduction(), START) is None
    first, second = authority.revoke("a", START).to_bytes(), authority.revoke("c", START).to_bytes()
    assert b.adopt(second) is None
    for stale in (first, empty):
        assert b.adopt(stale) is None
        assert b.revocations() == second
    assert b.standing("a", START) is b.standing("c", START) is Refusal.REVOKED
    assert b.check("a", a.sign(b"x"), b"x", START) is Refusal.REVOKED
    assert b.meet("a", a.introduction(), START) is None, "known already; its standing does not change"
    assert b.standing("a", START) is Refusal.REVOKED
    authority.issue("a", tmp_path / "a-anew", START)
    anew = loaded(tmp_path / "a-anew")
    assert b.meet("a", anew.introduction(), START) is None
    assert b.standing("a", START) is None
    with pytest.raises(IdentityUnusable, match=r"the certificate of c is revoked\. Issue one in a new folder"):
        authority.rotate(tmp_path / "c", START)
    with pytest.raises(IdentityUnusable, match="no certificate was issued for 'z'; issued: a, b, c"):
        authority.revoke("z", START)


def test_a_list_that_our_authority_did_not_sign_changes_nothing(authority: Authority, tmp_path: Path) -> None:
    authority.issue("b", tmp_path / "b", START)
    other = Authority.create(tmp_path / "other", "demo", START)
    other.issue("b", tmp_path / "elsewhere", START)
    b = loaded(tmp_path / "b")
    before = b.revocations()
    genuine = authority.revoke("b", START).to_bytes()
    assert b.adopt(other.revoke("b", START).to_bytes()) is Refusal.FORGED
    for at in range(len(genuine)):
        broken = genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :]
        assert b.adopt(broken) in {Refusal.FORGED, Refusal.MALFORMED}
        assert isinstance(b.adopt(genuine[:at]), Refusal)
    assert b.revocations() == before
    assert b.adopt(genuine) is None
    assert b.standing("b", START) is Refusal.REVOKED


def test_the_commands_make_renew_show_and_revoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["certs", "init", "demo"]) == 0
    assert main(["certs", "issue", "a"]) == 0
    assert main(["certs", "issue", "b", "-o", "b", "--days", "2"]) == 0
    assert main(["certs", "show", "cells/a"]) == 0
    before = (tmp_path / "cells/a/cell.pem").read_bytes()
    assert main(["certs", "rotate", "cells/a"]) == 0
    assert (tmp_path / "cells/a/cell.pem").read_bytes() != before
    capsys.readouterr()
    assert main(["certs", "revoke", "b", "--give", "b", "--give", "cells/a"]) == 0
    assert "list 1, 1 certificates, given to b, cells/a" in capsys.readouterr().out
    assert main(["certs", "show", "b"]) == 1
    assert "standing   revoked certificate" in capsys.readouterr().out
    assert main(["certs", "show", "cells/a"]) == 0
    refused = [
        (["init", "demo"], "expected a new or empty folder"),
        (["issue", "a"], "found cell.pem already. To renew it"),
        (["issue", "a b"], "expected 1 to 64 letters"),
        (["issue", "x", "-o", "authority/x"], "expected a folder apart from the authority's"),
        (["issue", "x", "-o", "."], "expected a folder apart from the authority's"),
        (["issue", "x", "--authority", "nowhere"], "not there. Make it with: archipel certs init"),
        (["rotate", "nowhere"], "not there. Make it with: archipel certs issue"),
        (["revoke", "a", "--give", "nowhere"], "nowhere: no such folder"),
    ]
    for words, complaint in refused:
        assert main(["certs", *words]) == 2
        assert complaint in capsys.readouterr().err
    assert "1" in (tmp_path / "authority/revocations").read_text()


@pytest.mark.parametrize(("module", "package"), [("identity", "cryptography"), ("zenoh", "eclipse-zenoh")])
def test_a_missing_library_names_the_extra_that_brings_it(module: str, package: str) -> None:
    hide = "zenoh" if package == "eclipse-zenoh" else package
    script = (
        f"import sys; sys.modules[{hide!r}] = None\n"
        "from archipel.model.errors import ExtraMissing\n"
        f"try:\n    import archipel.transport.{module}\nexcept ExtraMissing as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert f"needs the package {package}. Install it with: pip install 'archipel[field]'" in done.stdout


@pytest.mark.parametrize(
    ("modules", "gone"),
    [("archipel.transport", "cryptography zenoh numpy asyncio socket"), ("archipel.transport.zenoh", "numpy asyncio")],
)
def test_transport_loads_only_what_it_needs(modules: str, gone: str) -> None:
    script = f"import sys, {modules}\nprint(sorted(set({gone.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
