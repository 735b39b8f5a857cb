"""The device farm: Modbus TCP servers on the loopback interface that look and behave like real devices.

Inverters, batteries and meters speak SunSpec; chargers, heat pumps, sheddable loads and switches the Archipel register
map. The farm shares no code with the drivers but the published definitions of both, so each can find the other wrong.
Needs the extra `field`.
"""

from archipel.farm.device import Demand, Device, Truth
from archipel.farm.farm import Address, Farm
from archipel.farm.faults import HEALTHY, Fault, Reading, Refusal
from archipel.farm.inverter import Inverter
from archipel.farm.inverter_models import InverterPlate, Storage
from archipel.farm.mapped import MappedDevice, MappedPlate
from archipel.farm.meter import Meter, MeterPlate
from archipel.farm.two_grids import GridFormer, GridSwitch, MainSide, Touch
from archipel.farm.writes import WireWrite, WriteLog

__all__ = [
    "HEALTHY",
    "Address",
    "Demand",
    "Device",
    "Farm",
    "Fault",
    "GridFormer",
    "GridSwitch",
    "Inverter",
    "InverterPlate",
    "MainSide",
    "MappedDevice",
    "MappedPlate",
    "Meter",
    "MeterPlate",
    "Reading",
    "Refusal",
    "Storage",
    "Touch",
    "Truth",
    "WireWrite",
    "WriteLog",
]
