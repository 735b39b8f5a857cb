"""The files of deploy/ are what systemd and Docker Compose read. Linted here, not run."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "archipel-cell@.service"


def sections(text: str) -> dict[str, list[tuple[str, str]]]:
    """A unit file, read strictly."""
    found: dict[str, list[tuple[str, str]]] = {}
    here: list[tuple[str, str]] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if head := re.fullmatch(r"\[([A-Z][a-z]+)\]", line):
            assert head.group(1) not in found, f"line {number}: {line} twice"
            here = found[head.group(1)] = []
            continue
        pair = re.fullmatch(r"([A-Z][A-Za-z0-9]+)=(.*)", line)
        assert pair is not None, f"line {number}: {line!r} is no setting"
        assert here is not None, f"line {number}: a setting before any section"
        here.append((pair.group(1), pair.group(2)))
    return found


def test_the_unit_starts_a_cell_again_for_ever_watches_it_and_gives_it_no_privilege() -> None:
    found = sections(UNIT.read_text())
    assert set(found) == {"Unit", "Service", "Install"}
    service = dict(found["Service"])
    assert service["ExecStart"].endswith("archipel cell run /var/lib/archipel/%i/cell.toml")
    assert (service["Restart"], service["Type"], dict(found["Unit"])["StartLimitIntervalSec"]) == (
        "always",
        "notify",
        "0",
    )
    assert int(service["WatchdogSec"]) >= 10
    assert service["User"] != "root"
    assert service["CapabilityBoundingSet"] == ""
    assert service["StateDirectory"] == "archipel/%i"
    hardening = {"NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "ProtectKernelModules"}
    assert {service[name] for name in hardening} == {"yes"}
    assert service["ProtectSystem"] == "strict"


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        warnings.warn("systemd-analyze is not on this machine: the unit was only parsed by our own rules", stacklevel=1)
        pytest.skip("systemd-analyze is not on this machine: the unit was only parsed by our own rules")
    # the program it starts is not installed here; everything else is as it is
    unit = tmp_path / "archipel-cell@north.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=perhaps"))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False)
    assert "perhaps" in done.stderr, "systemd-analyze reads the file"


def tree(text: str) -> Any:
    """The part of YAML that compose.yaml uses: nested names, lists, plain and quoted texts, lists in brackets."""
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    assert "\t" not in text
    found, end = _block(lines, 0, 0)
    assert end == len(lines), f"not understood: {lines[end]}"
    return found


def _block(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[Any, int]:
    if lines[at][1].startswith("- "):
        return _list(lines, at, indent)
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent:
        name, colon, value = lines[at][1].partition(":")
        assert colon, f"no name: {lines[at][1]}"
        assert value[:1] in {"", " "}, f"no blank behind the colon: {lines[at][1]}"
        assert re.fullmatch(r"[a-z_-]+", name), f"an odd name: {name}"
        assert name not in found, f"{name} twice"
        at += 1
        if value:
            found[name] = _scalar(value.strip())
        else:
            found[name], at = _block(lines, at, lines[at][0])
    return found, at


def _list(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[Any, int]:
    found = []
    while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
        rest = lines[at][1][2:]
        if re.match(r"[a-z]+: ", rest):
            inner = [(indent + 2, rest)]
            at += 1
            while at < len(lines) and lines[at][0] == indent + 2:
                inner.append(lines[at])
                at += 1
            found.append(_block(inner, 0, indent + 2)[0])
        else:
            found.append(_scalar(rest))
            at += 1
    return found, at


def _scalar(text: str) -> Any:
    if text == "{}":
        return {}
    if text.startswith("["):
        return [_scalar(part) for part in re.findall(r'"[^"]*"|[^\s,\[\]]+', text)]
    if text.startswith('"'):
        return ast.literal_eval(text)
    return {"true": True, "false": False}.get(text, text)


def test_every_container_is_a_cell_with_a_state_of_its_own_that_starts_again_and_is_not_root() -> None:
    whole = tree((DEPLOY / "compose.yaml").read_text())
    assert set(whole) == {"name", "services", "networks", "volumes", "secrets"}
    assert set(whole["services"]) == {"north", "south"}
    for name, service in whole["services"].items():
        assert service["restart"] == "unless-stopped"
        assert service["user"] == "1000:1000"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in service
        assert "privileged" not in service
        assert set(service["networks"]) <= set(whole["networks"])
        mounts = [mount.split(":") for mount in service["volumes"]]
        assert mounts == [[f"./cells/{name}", "/cell"], [f"{name}-state", "/cell/state"]]
        secrets = {secret["source"]: secret["target"] for secret in service["secrets"]}
        assert secrets[f"{name}-cell"] == "/cell/certs/cell.pem"
        assert set(secrets) <= set(whole["secrets"])
        assert service["healthcheck"]["test"][0] == "CMD"
        compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")
    assert set(whole["volumes"]) == {f"{name}-state" for name in whole["services"]}
    assert all("authority.key" not in str(secret) for secret in whole["secrets"].values())


def test_all_containers_differ_in_nothing_but_their_name() -> None:
    services = tree((DEPLOY / "compose.yaml").read_text())["services"]
    assert str(services["north"]).replace("north", "south") == str(services["south"])
