"""`python -m archipel.twin.faults SEED` tells the story of one seed; `--seeds A-B` tries many.

A seed that breaks a promise is one line: the command that shows it again. The exit code is 1 then.
"""

from __future__ import annotations

import argparse
import sys
import time

from archipel.twin.faults.simulate import SHORTEST_MINUTES, Story, simulate


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m archipel.twin.faults", description="Seeded faults in the twin.")
    parser.add_argument("seed", nargs="?", type=int, help="tell the story of this seed, line by line")
    parser.add_argument("--seeds", help="try all seeds from A to B, both included, as A-B")
    parser.add_argument("--minutes", type=float, default=10.0, help="simulated minutes of a story (10)")
    asked = parser.parse_args(argv)
    if (asked.seed is None) == (asked.seeds is None):
        parser.error("give one SEED, or --seeds A-B")
    if asked.minutes < SHORTEST_MINUTES:
        parser.error(f"--minutes: found {asked.minutes:g}; a story takes at least {SHORTEST_MINUTES:g}")
    if asked.seed is not None:
        return _tell(simulate(asked.seed, asked.minutes, tell=True))
    first, _, last = asked.seeds.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        parser.error(f"--seeds: found {asked.seeds!r}; expected two numbers as in 0-299")
    return _try(range(int(first), int(last) + 1), asked.minutes)


def _tell(story: Story) -> int:
    print(f"seed {story.seed}: {story.faults}")
    print(*sorted(story.lines, key=lambda line: float(line.split()[0])), sep="\n")
    print(", ".join(f"{count} {what}" for what, count in story.counts.items()), f"{story.splits} splits", sep=", ")
    print(f"trace {story.trace}")
    for violation in story.violations:
        print(violation)
    return int(bool(story.violations))


def _try(seeds: range, minutes: float) -> int:
    began_s, bad, splits, agreed = time.process_time(), 0, 0, 0
    for done, seed in enumerate(seeds, start=1):
        story = simulate(seed, minutes)
        splits += story.splits
        agreed += story.counts["agreed"]
        if story.violations:
            bad += 1
            print(f"{story.replay}   # {story.violations[0]}")
        if done % 20 == 0 or done == len(seeds):
            speed = 60.0 * minutes * done / (time.process_time() - began_s)
            said = f"{done} of {len(seeds)} seeds, {bad} with violations, {agreed} agreements, {splits} splits"
            print(f"{said}, {speed:.0f} simulated s per CPU s", file=sys.stderr)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
