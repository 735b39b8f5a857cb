"""A year of quarter hours of 1,000 customers becomes part of a scenario: seconds, and memory at its highest.

The shapes are those of SimBench's load profiles (in ARCHIPEL_DATA), permuted in time and scaled by a seed, in kWh per
interval on the clock of Berlin, once as a wide CSV with semicolons and decimal commas, once as a long Parquet table.
Run it with `python -m benchmarks.meters`; each reading runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

CUSTOMERS = 1000
SOURCE = "networks/simbench/profiles_load.parquet"
QUARTERS = 365 * 96


def values(customers: int, rng: np.random.Generator) -> np.ndarray:
    """kWh per quarter hour, shape (quarters, customers), three decimals."""
    folder = Path(os.environ["ARCHIPEL_DATA"]) / "networks" / "simbench"
    path = next(iter(sorted(folder.glob("profiles*load*.parquet"))))
    names = [name for name in pq.read_schema(path).names if name.startswith("H0") and name.endswith("_pload")]
    shapes = np.column_stack([pq.read_table(path, columns=[name])[name].to_numpy() for name in names])
    out = np.empty((QUARTERS, customers))
    for k in range(customers):
        shape = np.roll(shapes[:, rng.integers(len(names))], 96 * 7 * int(rng.integers(52)))[:QUARTERS]
        out[:, k] = np.round(shape.astype(np.float64) * rng.uniform(2.0, 8.0) / 4, 3)
    return out


def scenario(folder: Path, customers: int) -> Path:
    """A feeder with one node and a load for every customer."""
    from archipel.formats.scenario import shipped_scenarios

    source = shipped_scenarios()["district"]
    text = source.read_text(encoding="utf-8").split("[population]")[0]
    for name in ("two-feeders", "urban"):
        (folder / name).mkdir(parents=True)
        for file in (source.parent / name).iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    node = (folder / "two-feeders" / "loads.csv").read_text().splitlines()[1].split(",")[1]
    rows = ["id,node,p_kw,q_kvar,profile", *(f"meter-{k:04d},{node},5,1," for k in range(customers))]
    (folder / "two-feeders" / "loads.csv").write_text("\n".join(rows) + "\n")
    (folder / "two-feeders" / "pv.csv").write_text("id,node,p_kw_peak,s_kva,profile\n")
    path = folder / "district.toml"
    path.write_text(text.replace('pv = "two-feeders/pv.csv"\n', ""), encoding="utf-8")
    return path


def make(folder: Path, customers: int, kind: str) -> Path:
    """The file of measurements."""
    value = values(customers, np.random.default_rng(7))
    start = int(datetime(2022, 12, 31, 23, tzinfo=UTC).timestamp())
    utc = start + 900 * np.arange(QUARTERS)
    names = [f"meter-{k:04d}" for k in range(customers)]
    if kind == "long":
        path = folder / "long.parquet"
        stamps = pa.array(np.tile(utc.astype("datetime64[s]"), customers), pa.timestamp("s", "UTC"))
        meter = pa.DictionaryArray.from_arrays(np.repeat(np.arange(customers, dtype=np.int32), QUARTERS), names)
        pq.write_table(pa.table({"meter": meter.cast(pa.string()), "time": stamps, "kWh": value.T.ravel()}), path)
        return path
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Berlin")
    local = [datetime.fromtimestamp(int(t), zone).strftime("%d.%m.%Y %H:%M") for t in utc]
    path = folder / "wide.csv"
    columns = {"Zeit": pa.array(local)} | {f"{name} [kWh]": pa.array(value[:, k]) for k, name in enumerate(names)}
    plain = folder / "plain.csv"
    pv.write_csv(pa.table(columns), plain, pv.WriteOptions(delimiter=";", quoting_style="none", quoting_header="none"))
    with plain.open() as source, path.open("w") as target:
        for line in source:
            stamp, _, rest = line.partition(";")
            target.write(f"{stamp};{rest.replace('.', ',')}")
    plain.unlink()
    return path


CHILD = """
import sys
from archipel.cli.main import main
code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak kB", peak.split()[1])
sys.exit(code)
"""
"""Its own highest memory: that of waited-for children counts what their parent held when it started them."""


def measured(folder: Path, file: Path, *more: str) -> tuple[float, float, str]:
    """(seconds, GB, what was said) of one reading in a process of its own."""
    begun = time.monotonic()
    words = [sys.executable, "-c", CHILD, "data", "add", str(folder), str(file), "--what", "load", *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    spent = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return spent, int(done.stdout.rsplit(maxsplit=1)[-1]) * 1024 / 1e9, done.stdout


def main() -> None:
    """Make the data, read them both ways, print what it took."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--customers", type=int, default=CUSTOMERS)
    options.add_argument("--kind", choices=("wide", "long"), help="only this one")
    args = options.parse_args()
    kinds = [args.kind] if args.kind else ["wide", "long"]
    for kind in kinds:
        with tempfile.TemporaryDirectory() as room:
            folder = Path(room)
            file = make(folder, args.customers, kind)
            scenario(folder / "case", args.customers)
            zone = ("--zone", "Europe/Berlin") if kind == "wide" else ("--label", "start")
            spent, peak, told = measured(folder / "case", file, *zone)
            energy = next(line for line in told.splitlines() if line.lstrip().startswith("energy"))
            print(f"{kind}: {file.stat().st_size / 1e6:,.0f} MB, {spent:.1f} s, {peak:.2f} GB\n{energy}", flush=True)


if __name__ == "__main__":
    main()
