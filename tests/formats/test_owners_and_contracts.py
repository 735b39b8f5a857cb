"""Who owns what: read from a file, every contradiction said at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from archipel.formats.findings import Findings
from archipel.formats.owners import read_owners
from archipel.formats.scenario import load_scenario
from archipel.model import Ownership

CELLS = ("top", "north", "south")
DEVICE_CELL = np.array([0, 1, 1, 2, 2])
KIND = ("load", "battery", "pv", "battery", "ev_charger")
GOOD = """
[[owner]]
id = "net"
cells = ["top"]
rest = true
[[owner]]
id = "anna"
cells = ["north"]
devices = [{cells = ["north"]}, {cells = ["south"], kinds = ["battery"]}]
[[portfolio]]
id = "pool"
operator = "net"
split = "marginal"
[[contract]]
id = "batteries"
owner = "anna"
portfolio = "pool"
products = ["energy", "fcr"]
kinds = ["battery"]
away = [{start = 2016-01-01T00:00:00+01:00, end = 2016-01-02T00:00:00Z}]
[[contract]]
id = "sun"
owner = "anna"
portfolio = "pool"
products = ["energy"]
kinds = ["pv"]
"""


def _read(tmp_path: Path, text: str) -> tuple[Ownership | None, list[str]]:
    (tmp_path / "owners.toml").write_text(text, encoding="utf-8")
    findings = Findings()
    found = read_owners(tmp_path / "owners.toml", CELLS, DEVICE_CELL, KIND, findings)
    return found, [str(problem) for problem in findings.problems]


def test_every_cell_and_device_has_one_owner_and_at_most_one_contract(tmp_path: Path) -> None:
    found, problems = _read(tmp_path, GOOD)
    assert problems == []
    assert found is not None
    assert found.cell_owner.tolist() == [0, 1, 0]
    assert found.device_owner.tolist() == [0, 1, 1, 1, 0]
    assert found.device_contract.tolist() == [-1, 0, 1, 0, -1]
    assert found.devices_of("batteries").tolist() == [False, True, False, True, False]
    assert found.contracts[0].away == ((datetime(2015, 12, 31, 23, tzinfo=UTC), datetime(2016, 1, 2, tzinfo=UTC)),)


def test_contracts_of_several_portfolios_keep_their_devices_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    second = '[[portfolio]]\nid = "other"\noperator = "anna"\nparent = "pool"\n'
    text = GOOD.replace('portfolio = "pool"', 'portfolio = "other"', 1) + second
    found, problems = _read(tmp_path, text)
    assert problems == []
    assert found is not None
    assert [contract.id for contract in found.contracts] == ["sun", "batteries"]
    assert found.devices_of("batteries").tolist() == [False, True, False, True, False]
    assert found.devices_of("sun").tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kinds = ["pv"]', 'kinds = ["pv", "battery"]', "contract sun: found 2 devices that contract 'batteries' has"),
        ("rest = true", "", "expected one owner of all that no other names"),
        ('id = "anna"', 'id = "anna"\nrest = true', "2 owners with rest = true"),
        ('cells = ["top"]', 'cells = ["top", "north"]', "1 cells that owner 'net' has already"),
        ("rest = true", 'rest = true\ndevices = [{kinds = ["pv"]}]', "devices that owner 'net' has already"),
        ('operator = "net"', 'operator = "nett"', "Did you mean 'net'?"),
        ('operator = "net"', 'operator = "net"\nparent = "pool"', "a portfolio that is a member of itself"),
        ('"energy", "fcr"', '"energy", "fcrr"', "Did you mean 'fcr'?"),
        ('split = "marginal"', 'split = "equal"', "'pro_rata', 'marginal', 'shapley'"),
        ('kinds = ["pv"]', 'kinds = ["ev_charger"]', "no device of owner 'anna' that it names"),
        ('kinds = ["pv"]', 'kinds = ["wind"]', "a kind of device there is"),
        ("2016-01-02T00:00:00Z", "2015-01-02T00:00:00Z", "the start before the end"),
        ("2016-01-02T00:00:00Z", "2016-01-02T00:00:00", "times with their offset"),
        ('products = ["energy"]', 'products = ["energy"]\nshare = 1.5', "at most 1"),
        ('products = ["energy"]', 'products = ["energy"]\nshares = 0.5', "Did you mean 'share'?"),
        ('id = "sun"', 'id = "batteries"', "a second contract 'batteries'"),
        ("[[portfolio]]", "[portfolio]", "Write two brackets each side."),
        ('kinds = ["pv"]', 'kinds = ["pv"]\n[terms]\nfcr = 1.0', "[terms]: fcr: found the unknown key"),
        ('id = "pool"', "id = pool", "no TOML"),
    ],
)
def test_a_contradiction_is_said_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    found, problems = _read(tmp_path, GOOD.replace(old, new, 1))
    assert found is None
    assert any(said in problem for problem in problems), problems


def test_all_contradictions_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD
    for old, new in (
        ('operator = "net"', 'operator = "x"'), ('"fcr"', '"y"'), ("rest = true", ""),
        ('owner = "anna"', 'owner = "ann"'),
        ('kinds = ["pv"]', 'kinds = ["wind"]'), ("+01:00", ""), ('split = "marginal"', 'split = "shaply"'),
    ):  # fmt: skip
        text = text.replace(old, new, 1)
    _, problems = _read(tmp_path, text)
    for said in ("operator", "products", "rest", "'anna'", "wind", "start = 2016-01-01 00:00:00", "split"):
        assert any(said in problem for problem in problems), (said, problems)


def test_the_shipped_portfolio_has_three_owners_with_different_contracts() -> None:
    vpp = load_scenario("vpp")
    contracts = vpp.ownership.contracts
    assert len({contract.owner for contract in contracts}) == 3
    assert len({(contract.products, contract.share) for contract in contracts}) == 3
    assert len(vpp.ownership.device_owner) == len(vpp.device_id)
    assert (np.bincount(vpp.ownership.device_contract + 1) > 0).all()
