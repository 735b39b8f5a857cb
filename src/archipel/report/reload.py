"""Finding the scenario of a run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archipel.formats.scenario import load_scenario, shipped_scenarios
from archipel.model import RunNotFound, Scenario, ScenarioInvalid


def source_of(scenario: Scenario) -> str:
    """What loads a scenario again: the name of a shipped one, otherwise the absolute path of its file or folder."""
    shipped = shipped_scenarios().get(scenario.name)
    if shipped is not None and scenario.folder in {None, shipped.parent}:
        return scenario.name
    if scenario.folder is None:
        return scenario.name
    file = scenario.folder / f"{scenario.name}.toml"
    return str((file if file.is_file() else scenario.folder).resolve())


def reload_scenario(info: Mapping[str, Any]) -> Scenario:
    """Load the scenario of a run from what its run.json says.

    Raises:
        RunNotFound: it is no longer there, or can no longer be used.
    """
    kept = info["scenario"]
    try:
        return load_scenario(kept["source"], seed=kept["seed"])
    except ScenarioInvalid as error:
        raise RunNotFound(
            f"run {info['id']}: its scenario {kept['name']} was loaded from {kept['source']} and no longer can be: "
            f"{error}\nPut it back, or hand the scenario to load_run(path, scenario)."
        ) from error
