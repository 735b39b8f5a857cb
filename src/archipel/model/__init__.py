"""The nouns: frozen records and their own algebra; nothing else."""

from archipel.model.belief import BELIEVED, Believed, View
from archipel.model.cells import Archipelago, Cell, Tie
from archipel.model.delivery import Delivery
from archipel.model.errors import (
    ArchipelError,
    Diverged,
    ExtraMissing,
    GridError,
    ImportRefused,
    Problem,
    RunNotFound,
    ScenarioInvalid,
    SolverFailed,
)
from archipel.model.fleet import Fleet
from archipel.model.flexibility import Flexibility
from archipel.model.grid import Bools, Floats, Grid, Ints, Lines, Nodes, Shunts, Source, Switches, Transformers
from archipel.model.horizon import Horizon
from archipel.model.island import IslandRules, Stage
from archipel.model.money import Payment
from archipel.model.portfolio import PRODUCTS, SPLITS, Contract, Owner, Ownership, Portfolio, Product, Split, Terms
from archipel.model.result import PRICE_PARTS, StrategyResult
from archipel.model.scenario import Profiles, Scenario
from archipel.model.tariff import Connection, FirmLimits, Tariff
from archipel.model.three_phase import Place, ThreePhase

__all__ = [
    "BELIEVED",
    "PRICE_PARTS",
    "PRODUCTS",
    "SPLITS",
    "ArchipelError",
    "Archipelago",
    "Believed",
    "Bools",
    "Cell",
    "Connection",
    "Contract",
    "Delivery",
    "Diverged",
    "ExtraMissing",
    "FirmLimits",
    "Fleet",
    "Flexibility",
    "Floats",
    "Grid",
    "GridError",
    "Horizon",
    "ImportRefused",
    "Ints",
    "IslandRules",
    "Lines",
    "Nodes",
    "Owner",
    "Ownership",
    "Payment",
    "Place",
    "Portfolio",
    "Problem",
    "Product",
    "Profiles",
    "RunNotFound",
    "Scenario",
    "ScenarioInvalid",
    "Shunts",
    "SolverFailed",
    "Source",
    "Split",
    "Stage",
    "StrategyResult",
    "Switches",
    "Tariff",
    "Terms",
    "ThreePhase",
    "Tie",
    "Transformers",
    "View",
]
