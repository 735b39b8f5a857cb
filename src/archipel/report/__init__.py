"""Tables, plots and statements about a run."""

from archipel.report.folder import RunWriter
from archipel.report.run import Run, load_run

__all__ = ["Run", "RunWriter", "load_run"]
