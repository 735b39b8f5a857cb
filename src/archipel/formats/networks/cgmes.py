"""The door for CGMES (2.4.15 and 3.0): a zip archive, a folder or a file of XML, read by pypowsybl.

Nothing of a stranger reaches the library before it was bounded: sizes packed and unpacked, plain names, UTF-8, and no
document type declaration, without which XML has no entities to expand.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from archipel.formats.bounded import LARGEST_MB, MOST_FILES, check_archive, read_bytes, read_member
from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.networks.cgmes_grid import from_network, slack_of
from archipel.formats.referee import largest_difference
from archipel.model import ExtraMissing, GridError, ImportRefused

DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
EXPECTED = "CGMES profiles (EQ, SSH, TP, SV) as XML"


@final
@dataclass(frozen=True, slots=True)
class CgmesReader:
    """CGMES through pypowsybl."""

    name: str = "cgmes"
    engine: str = "pypowsybl's load flow"
    files: str = "*.zip, *.xml, a folder of *.xml"
    extra: str = "cgmes"

    def reads(self, source: str) -> bool:
        """An archive or folder with XML in it, or an XML file."""
        path = path_of(source)
        if path.is_dir():
            return any(path.glob("*.xml"))
        if path.suffix.lower() == ".zip" and path.is_file():
            try:
                with zipfile.ZipFile(path) as archive:
                    return any(name.lower().endswith(".xml") for name in archive.namelist())
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
                return True  # whoever calls a file so meant this door; reading says what is wrong with it
        return path.suffix.lower() == ".xml"

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network of the profiles."""
        del options
        return from_network(_network(source), path_of(source).name)

    def compare(self, source: str, imported: Imported) -> float:
        """Against pypowsybl's own AC load flow of the same archive, fed at the same slack."""
        network = _network(source)
        powsybl = _powsybl()
        parameters = powsybl.loadflow.Parameters(
            distributed_slack=False,
            use_reactive_limits=False,
            voltage_init_mode=powsybl.loadflow.VoltageInitMode.DC_VALUES,
            provider_parameters={
                "slackBusSelectionMode": "NAME",
                "slackBusesIds": slack_of(network, path_of(source).name).view_bus,
                "newtonRaphsonConvEpsPerEq": "1e-9",
            },
        )
        result = powsybl.loadflow.run_ac(network, parameters)
        if not result or result[0].status_text != "Converged":
            said = result[0].status_text if result else "no result"
            raise GridError(f"pypowsybl's load flow found no solution ({said})")
        voltage = network.get_bus_breaker_view_buses(attributes=["v_mag", "voltage_level_id"])
        nominal = network.get_voltage_levels(attributes=["nominal_v"])["nominal_v"]
        return largest_difference(
            {
                f"bus/{one}": float(v) / float(nominal[level])
                for one, v, level in zip(voltage.index, voltage["v_mag"], voltage["voltage_level_id"], strict=True)
            },
            imported,
        )


def _powsybl() -> Any:
    if not find_spec("pypowsybl"):
        raise ExtraMissing("pypowsybl", "cgmes", "reading CGMES")
    import pypowsybl

    return pypowsybl


def _network(source: str) -> Any:
    """The network as pypowsybl reads it from files that were bounded."""
    powsybl, path = _powsybl(), path_of(source)
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as archive:
        for k, (name, content) in enumerate(sorted(_files(path).items())):
            archive.writestr(f"{k}_{Path(name).name}", content)
    clean.seek(0)
    try:
        network = powsybl.network.load_from_binary_buffers([clean])
    except Exception as error:  # the library raises its own bare kinds, with the reason as text
        if type(error).__name__ not in {"PyPowsyblError", "RuntimeError", "ValueError"}:
            raise
        raise ImportRefused(
            f"{path.name}: pypowsybl cannot read it: {str(error).splitlines()[0]}; expected {EXPECTED}. "
            "Look whether the EQ profile and its boundary files are there."
        ) from error
    if network.source_format != "CGMES":
        raise ImportRefused(f"{path.name}: found {network.source_format}; expected {EXPECTED}. Name a CGMES archive.")
    return network


def _files(path: Path) -> dict[str, bytes]:
    """The XML files of a source by name, bounded and looked through."""
    limit = LARGEST_MB * 2**20
    found: dict[str, bytes] = {}
    if path.is_dir():
        files = sorted(path.glob("*.xml"))
        if len(files) > MOST_FILES:
            raise ImportRefused(f"{path.name}: found {len(files):,} files; expected at most {MOST_FILES:,}. Split it.")
        for file in files:
            if not file.resolve().is_relative_to(path.resolve()):
                raise ImportRefused(f"{file}: found a link out of the folder; expected a file in it. Copy it there.")
            found[file.name] = read_bytes(file, EXPECTED)
    elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        members = check_archive(path) if path.is_file() else []
        if not path.is_file():
            read_bytes(path, EXPECTED)  # says what is wrong
        left = limit
        with zipfile.ZipFile(path) as archive:
            for member in members:
                if member.filename.lower().endswith(".xml"):
                    found[member.filename] = read_member(archive, member, path.name, left)
                    left -= len(found[member.filename])
    else:
        found[path.name] = read_bytes(path, EXPECTED)
    if not found:
        raise ImportRefused(f"{path.name}: found no XML file; expected {EXPECTED}. Pack the profiles into it.")
    if sum(map(len, found.values())) > limit:
        raise ImportRefused(f"{path.name}: found more than {LARGEST_MB} MB; expected less. Split it.")
    for name, content in found.items():
        _look_through(path.name, name, content)
    return found


def _look_through(source: str, name: str, content: bytes) -> None:
    where = source if source == name else f"{source}: {name}"
    if not content.strip():
        raise ImportRefused(f"{where}: found an empty file; expected {EXPECTED}. Export it again.")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ImportRefused(f"{where}: found text that is not UTF-8; expected {EXPECTED} in UTF-8. "
                            "Save it with that encoding.") from error  # fmt: skip
    if DECLARATION.search(content):
        raise ImportRefused(f"{where}: found a document type declaration, which can expand without end; expected "
                            f"{EXPECTED} without one. Remove it.")  # fmt: skip
    if b"<rdf:RDF" not in content[:10000] and b":RDF" not in content[:10000]:
        raise ImportRefused(f"{where}: found XML that is no RDF; expected {EXPECTED}. Name the CGMES files only.")
