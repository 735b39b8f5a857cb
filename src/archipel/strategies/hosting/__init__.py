"""How much of a new kind of device a network can take under each strategy before a limit is broken.

A seed draws an order of new devices at customers. For every strategy the largest beginning of that order is sought with
which a day of its closed loop keeps every limit by AC power flow and still gives the devices what they are there for.
"""

from archipel.strategies.hosting.broken import Broken
from archipel.strategies.hosting.customers import Newcomers, draw
from archipel.strategies.hosting.joined import prepared
from archipel.strategies.hosting.judge import Verdict, judge
from archipel.strategies.hosting.notes import notes
from archipel.strategies.hosting.question import DEVICES, STRATEGIES, Question, Service
from archipel.strategies.hosting.search import Found, search
from archipel.strategies.hosting.stress import stress_day
from archipel.strategies.hosting.study import Study
from archipel.strategies.hosting.today import as_today

__all__ = [
    "DEVICES",
    "STRATEGIES",
    "Broken",
    "Found",
    "Newcomers",
    "Question",
    "Service",
    "Study",
    "Verdict",
    "as_today",
    "draw",
    "judge",
    "notes",
    "prepared",
    "search",
    "stress_day",
]
