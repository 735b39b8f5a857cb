"""`archipel device scan` against devices on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from served import Served, inverter, model, serve
from test_mapped_driver import Plug

from archipel.cli.main import main
from archipel.drivers import DriverError, parse


@contextmanager
def running(served: Served) -> Iterator[str]:
    """Serve a device in another thread; the address to scan."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def whole() -> None:
        async with serve(served):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(whole(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"modbus://127.0.0.1:{served.port}"
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def test_a_sunspec_device_is_told_with_its_models_orders_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    served = inverter(3000, -500, model(802, SoC=40, SoC_SF=0))
    with running(served) as address:
        assert main(["device", "scan", address]) == 0
    told = capsys.readouterr()
    measured = (
        "p_kw -30 kW, q_kvar 0.5 kvar, v_v 408 V, v_pu 1.02 pu, soc 0.4, e_kwh_drawn 20 kWh, e_kwh_given 7000 kWh, "
        "state running, quality good"
    )
    assert told.out.splitlines() == [
        f"{address}/1",
        "  device    sunspec: Sunny S50 4711",
        "  models    1 at 40002, 701 at 40070, 702 at 40225, 704 at 40277, 802 at 40344",
        "  orders    p_kw, p_limit_kw, q_kvar",
        f"  measured  {measured}",
    ]
    assert told.err == ""
    assert served.writes == []


def test_a_device_of_the_register_map_is_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    plug = Plug()
    with running(plug) as address:
        assert main(["device", "scan", f"{address}/1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["maker"], told["orders"]) == ("charger", "Plug", ["p_limit_kw"])
    assert (told["reading"]["p_kw"], told["reading"]["state"], told["reading"]["quality"]) == (11.0, "running", "good")
    assert plug.writes == []


def test_a_device_that_is_neither_says_so_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    with running(Served(3, [1, 2, 3])) as address:
        assert main(["device", "scan", address]) == 2
    told = capsys.readouterr().err
    assert "found no mark 'SunS' at 40000, 0, 50000" in told
    assert "no device of the Archipel map: found no registers at 1000" in told


def test_a_silent_device_and_an_empty_port_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    served = inverter()
    served.silent = True
    with running(served) as address:
        assert main(["device", "scan", address, "--timeout", "0.2"]) == 2
    assert "no answer within 0.2 s" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["device", "scan", f"modbus://127.0.0.1:{port}", "--timeout", "0.2"]) == 2
    assert "no connection within 0.2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "",
        "modbus://",
        "http://a:1",
        "modbus://a:b",
        "modbus://a:70000",
        "modbus://a/256",
        "modbus://a/x",
        "modbus://a/1?b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(DriverError, match="found no Modbus address; expected modbus://host:port"):
        parse(url)


def test_port_and_unit_have_defaults() -> None:
    assert parse("modbus://plant.example") == ("plant.example", 502, 1)
    assert parse("modbus://[::1]:1502/7") == ("::1", 1502, 7)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pymodbus.client", None)
    assert main(["device", "scan", "modbus://127.0.0.1:1"]) == 2
    assert "pip install 'archipel[field]'" in capsys.readouterr().err
