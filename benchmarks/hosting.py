"""How much can connect on case33bw and the European LV feeder, four strategies, three seeds: the figures of the docs.

    python -m benchmarks.hosting --device pv --folder DIR --jobs 2

Stops with an error where cells that agree host less than others in any seed. Takes minutes on a quiet machine; a study
that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.hosting_cases import case33bw, european_lv

from archipel.formats.scenario import load_scenario
from archipel.report.hosting_folder import HostingFolder
from archipel.report.hosting_rows import text
from archipel.strategies.hosting import STRATEGIES, Question, Study, draw, notes, prepared, stress_day

CASES = {"case33bw": case33bw, "european-lv": european_lv}


def main() -> int:
    """Make the cases, ask, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--device", choices=("pv", "ev", "heat-pump"), default="pv")
    options.add_argument("--case", choices=tuple(CASES), action="append")
    options.add_argument("--folder", type=Path, default=Path("runs/hosting-cases"))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--strategy", choices=STRATEGIES, action="append")
    options.add_argument("--together", type=int, default=10, help="customers at a place above 1 kV")
    options.add_argument("--jobs", type=int, default=2)
    args = options.parse_args()
    less = 0
    for name in args.case or tuple(CASES):
        made = args.folder / name
        path = made / f"{name}.toml"
        scenario = prepared(load_scenario(path if path.is_file() else CASES[name](made)), args.device)
        first = draw(scenario, args.device, 1)
        start = stress_day(scenario, args.device, float(first.p_kw.sum()))
        question = Question(
            args.device,
            start,
            strategies=tuple(one for one in STRATEGIES if one in (args.strategy or STRATEGIES)),
            seeds=tuple(range(1, args.seeds + 1)),
            together=args.together,
        )
        folder = HostingFolder(args.folder, scenario, question)
        study = Study(scenario, question, folder.evaluations)
        begun = time.perf_counter()
        study.run(args.jobs, save=folder.save)
        spent = time.perf_counter() - begun
        answers = list(study.answers())
        folder.finish(answers, notes(scenario, question, answers))
        print(f"{text(question, answers, notes(scenario, question, answers))}\n")
        print(f"{name}: {study.evaluated} days run, {spent:.0f} s with {args.jobs} jobs\n")
        kw = {(one["strategy"], one["seed"]): one["p_kw"] for one in answers}
        for seed in question.seeds:
            others = max((kw[one, seed] for one in ("uncoordinated", "alone") if (one, seed) in kw), default=0.0)
            if kw.get(("distributed", seed), others) < others:
                less += 1
                print(f"{name}, seed {seed}: distributed {kw['distributed', seed]:.0f} kW, others {others:.0f} kW")
    return 1 if less else 0


if __name__ == "__main__":
    sys.exit(main())
