"""Which faults one seed brings. Every seed draws which kinds are on and how strong ("swarm testing": A. Groce et al.,
"Swarm testing", ISSTA 2012, doi:10.1145/2338965.2336763), so that some stories have one kind only and some have all.

    0 s ......................... heal_s ........................ end
        faults begin and end        none: cooperation comes back
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import final

from archipel.twin.faults.village import NAMES, PARENT

HEAL_SHARE = 0.55
"""Part of a story in which faults may happen."""
FIRST_S = 40.0
"""Before this nothing has been agreed that could break."""
LEAVES = tuple(name for name in NAMES if name in PARENT)


@final
@dataclass(frozen=True, slots=True)
class Spell:
    """Something wrong with one cell for some time."""

    start_s: float
    end_s: float
    cell: str
    what: str = ""
    size: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """Messages from some cells to some others are lost."""

    start_s: float
    end_s: float
    senders: frozenset[str]
    receivers: frozenset[str]


@final
@dataclass(frozen=True, slots=True)
class Faults:
    """All that goes wrong in one story; times in seconds from its start. The default is a good day."""

    heal_s: float = 0.0
    """From here on messages pass and nothing new goes wrong."""
    loss: float = 0.0
    """Share of the messages lost."""
    doubled: float = 0.0
    delay_s: float = 0.02
    """Mean of an exponential delay; messages overtake each other."""
    slow_disk: float = 0.0
    """Share of the commits that take 0.3 to 3 s and not 3 ms."""
    cuts: tuple[Cut, ...] = ()
    crashes: tuple[Spell, ...] = ()
    """`what`: at once, or when it next has staged notes, has committed them, or has sent half of its mail."""
    hangs: tuple[Spell, ...] = ()
    clocks: tuple[Spell, ...] = ()
    """`size`: how far the UTC clock is stepped [s]."""
    readings: tuple[Spell, ...] = ()
    """`what`: `soc` or a tie, then stale, nan, large (x1000) or sign."""
    devices: tuple[Spell, ...] = ()
    """`what`: which device, then ignores or overshoots."""
    outside: tuple[Spell, ...] = ()
    """The root hears nothing of the main grid."""
    tags: tuple[Spell, ...] = ()
    """People work at the cell's switch."""
    replays: tuple[float, ...] = ()
    forgeries: tuple[float, ...] = ()

    def __str__(self) -> str:
        strong = [f"{self.loss:.0%} lost", f"{self.doubled:.0%} doubled", f"delay {self.delay_s:.2g} s"]
        lists = ("cuts", "crashes", "hangs", "clocks", "readings", "devices", "outside", "tags", "replays", "forgeries")
        return ", ".join(strong + [f"{len(getattr(self, name))} {name}" for name in lists if getattr(self, name)])


def draw(seed: int, length_s: float) -> Faults:
    """The faults of a seed."""
    rng = random.Random(f"faults {seed}")
    heal_s = HEAL_SHARE * length_s

    def on(share: float = 0.4) -> bool:
        return rng.random() < share

    def spells(most: int, longest_s: float, cells: tuple[str, ...], what: tuple[str, ...] = ("",)) -> list[Spell]:
        out = []
        for _ in range(rng.randint(1, most)):
            start = rng.uniform(FIRST_S, heal_s - 1.0)
            end = min(start + rng.uniform(1.0, longest_s), heal_s)
            out.append(Spell(start, end, rng.choice(cells), rng.choice(what)))
        return out

    def sized(spell: Spell) -> Spell:
        size = rng.choice((-1.0, 1.0)) * rng.choice((3.0, 20.0, 45.0, 60.0, 90.0, 3600.0)) * rng.uniform(0.8, 1.2)
        return Spell(spell.start_s, spell.end_s, spell.cell, "", size)

    ties = tuple(f"tie/{name} {kind}" for name in LEAVES for kind in ("stale", "nan", "large", "sign"))
    soc = tuple(f"soc {kind}" for kind in ("stale", "nan", "large", "sign"))
    kinds = tuple(f"{d} {how}" for d in ("battery", "pv", "charger") for how in ("ignores", "overshoots"))
    instruments = rng.choice((soc, ties, 7 * soc + ties))
    readings = [_placed(s, rng) for s in spells(4, 120.0, LEAVES, instruments)] if on() else []
    return Faults(
        heal_s=heal_s,
        loss=rng.uniform(0.0, 0.5) if on(0.5) else 0.0,
        doubled=rng.uniform(0.0, 0.5) if on() else 0.0,
        delay_s=rng.choice((0.1, 0.5, 2.0, 8.0)) if on() else 0.02,
        slow_disk=rng.uniform(0.0, 0.3) if on(0.3) else 0.0,
        cuts=tuple(_cut(s, rng) for s in spells(4, 90.0, NAMES)) if on() else (),
        crashes=tuple(spells(6, 30.0, NAMES, ("at once", "staged", "committed", "half sent"))) if on() else (),
        hangs=tuple(spells(3, 40.0, NAMES)) if on() else (),
        clocks=tuple(sized(s) for s in spells(2, 90.0, NAMES)) if on() else (),
        readings=tuple(readings),
        devices=tuple(spells(3, 60.0, LEAVES, kinds)) if on(0.3) else (),
        outside=tuple(spells(2, 120.0, ("hill",))) if on() else (),
        tags=tuple(spells(2, 150.0, LEAVES)) if on() else (),
        replays=tuple(rng.uniform(FIRST_S, heal_s) for _ in range(rng.randint(1, 60))) if on() else (),
        forgeries=tuple(_in_lead(rng, heal_s) for _ in range(rng.randint(1, 60))) if on() else (),
    )


def _in_lead(rng: random.Random, heal_s: float) -> float:
    """While cells plan: who forges does it when it matters."""
    minute = rng.randrange(1, int(heal_s // 60.0))
    return 60.0 * (minute + 1) - rng.uniform(0.0, 24.0)


def _cut(spell: Spell, rng: random.Random) -> Cut:
    """One cell, or the cell with all below it, cut off both ways, inwards or outwards."""
    inside = {spell.cell}
    if rng.random() < 0.5:
        for name in NAMES:  # parents stand before their children
            if PARENT.get(name) in inside:
                inside.add(name)
    outside = frozenset(NAMES) - inside
    way = rng.choice(("both", "both", "in", "out"))
    if way == "both":
        return Cut(spell.start_s, spell.end_s, frozenset(NAMES), frozenset(inside))
    ends = (outside, frozenset(inside)) if way == "in" else (frozenset(inside), outside)
    return Cut(spell.start_s, spell.end_s, *ends)


def _placed(spell: Spell, rng: random.Random) -> Spell:
    """A tie's meter belongs to one of the tie's ends."""
    what = spell.what.split()[0]
    if what == "soc":
        return spell
    lower = what.removeprefix("tie/")
    return Spell(spell.start_s, spell.end_s, rng.choice((lower, PARENT[lower])), spell.what)
