"""The child process: fences itself in, runs the OpenDSS engine on a copy of a model, and answers questions about it.

`python -m archipel.formats.networks.opendss.worker`; it speaks `wire` on its standard input and output and ends with
its input. What it can be asked are the functions of `commands`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archipel.formats.networks.opendss.fence import limit_resources, limit_time, shut_in
from archipel.formats.networks.opendss.wire import read_frame, write_frame

Command = Callable[..., dict[str, Any]]
"""Called with the engine (`opendssdirect.dss`) and the arguments of the question."""


def commands() -> dict[str, Command]:
    """What the child can be asked."""
    from archipel.formats.networks.opendss.extract import COMMANDS as EXTRACT
    from archipel.formats.networks.opendss.solve import CircuitSolver

    # One line per file of commands.
    return {**EXTRACT, **CircuitSolver().commands}


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the engine prints is no answer
    questions = sys.stdin.buffer
    first = read_frame(questions, 1 << 20)
    if first is None:
        return
    folder = Path.cwd()
    limit_resources(first["memory"], first["file_size"], first["open_files"])
    known = commands()
    import opendssdirect as dss

    fenced = shut_in(folder, [sys.prefix, sys.base_prefix, *first["readable"]])
    dss.Basic.AllowForms(0)
    dss.Basic.AllowEditor(0)
    dss.Basic.AllowDOScmd(0)
    write_frame(answers, {"ok": True, "answer": {"fenced": fenced, "engine": dss.Basic.Version().split(" [")[0]}})
    while True:
        question = read_frame(questions, 1 << 30)
        if question is None:
            return
        limit_time(question["seconds"])
        write_frame(answers, _answer(known, dss, question))


def _answer(known: dict[str, Command], dss: Any, question: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": True, "answer": known[question["command"]](dss, **question["arguments"])}
    except MemoryError:
        return {"ok": False, "kind": "memory", "message": "out of memory"}
    except Exception as error:
        # The engine's exceptions, and whatever a broken model makes of our questions: the parent puts it into words.
        engine = type(error).__name__ == "DSSException"
        return {"ok": False, "kind": "engine" if engine else "worker", "message": f"{error}"}


if __name__ == "__main__":
    main()
