"""The commands of the OpenDSS engine, and which of them an import runs."""

from __future__ import annotations

_ALL = """
new edit more m ~ select save show solve enable disable plot reset compile set dump open close // redirect help quit ?
next panel sample clear about calcvoltagebases setkvbase buildy get init export fileedit voltages currents powers
seqvoltages seqcurrents seqpowers losses phaselosses cktlosses allocateloads formedit totals capacity classes
userclasses zsc zsc10 zscrefresh ysc puvoltages varvalues varnames buscoords makebuslist makeposseq reduce interpolate
alignfile top rotate vdiff summary distribute di_plot comparecases yearlycurves cd visualize closedi doscmd estimate
reconductor _initsnap _solvenocontrol _samplecontrols _docontrolactions _showcontrolqueue _solvedirect _solvepflow
addbusmarker uuids setloadandgenkv cvrtloadshapes nodediff rephase setbusxy updatestorage obfuscate latlongcoords
batchedit pstcalc variable reprocessbuses clearbusmarkers relcalc var cleanup finishtimestep nodelist connect
disconnect remove calcincmatrix calcincmatrix_o refine_buslevels calclaplacian exportoverloads exportvviolations
zsc012 allpceatbus allpdeatbus totalpowers giscoords clearall comhelp newactor wait solveall abort clone
"""
_KEPT = """
new edit more m ~ select solve enable disable reset compile set open close // redirect ? next sample clear
calcvoltagebases setkvbase buildy get init allocateloads buscoords makebuslist interpolate estimate setloadandgenkv
setbusxy latlongcoords batchedit reprocessbuses relcalc var cleanup remove
"""

COMMANDS = tuple(_ALL.split())
"""The engine's commands, in its order: an abbreviation means the first that begins with it."""

KEPT = frozenset(_KEPT.split())
"""Those an import runs: they make, change or solve a circuit and touch no file but those taken along."""

SCRIPTS = frozenset({"redirect", "compile"})
COORDINATES = frozenset({"buscoords", "latlongcoords"})
OPTIONS_OUT = ("datapath", "editor", "dssvisualizationtool", "casename", "registryupdate")
"""Options of `set` that steer files or programs."""
