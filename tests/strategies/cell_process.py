"""One cell in a process of its own that is told nothing but its own facts, and a postman who carries bytes."""

from __future__ import annotations

import multiprocessing
import pickle
from multiprocessing.connection import Connection as Pipe
from typing import Any

from archipel.controller.controller import CellController
from archipel.coordination.message import Message
from archipel.model import Floats


def serve(pipe: Pipe) -> None:
    """Run in the process: own site and readings come first, then only messages."""
    site, plan, horizon, readings, root = pickle.loads(pipe.recv_bytes())
    controller = CellController(site)
    send(pipe, controller.begin(plan, horizon, readings, root))
    while data := pipe.recv_bytes():
        send(pipe, controller.receive([Message.from_bytes(data)]))
    agreed = controller.agreed
    pipe.send_bytes(pickle.dumps(None if agreed is None else (agreed.u, agreed.boundary, agreed.price)))


def send(pipe: Pipe, messages: list[Message]) -> None:
    """How many, then each as bytes."""
    pipe.send_bytes(str(len(messages)).encode())
    for message in messages:
        pipe.send_bytes(message.to_bytes())


class Post:
    """Starts the processes and carries what they say; reads of a message nothing but its address."""

    def __init__(self, facts: dict[str, tuple[Any, ...]]) -> None:
        context = multiprocessing.get_context("spawn")  # a fresh interpreter inherits nothing
        self.pipes: dict[str, Pipe] = {}
        self.processes = []
        for name, own in facts.items():
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there,), daemon=True)
            process.start()
            there.close()
            here.send_bytes(pickle.dumps(own))
            self.pipes[name] = here
            self.processes.append(process)

    def run(self) -> dict[str, tuple[Floats, Floats, Floats]]:
        """Carry messages until there are none; what every cell decided."""
        queue = [data for pipe in self.pipes.values() for data in self._hear(pipe)]
        while queue:
            waiting = []
            for data in queue:
                pipe = self.pipes[Message.from_bytes(data).receiver]
                pipe.send_bytes(data)
                waiting.append(pipe)
            queue = [data for pipe in waiting for data in self._hear(pipe)]
        out = {}
        for name, pipe in self.pipes.items():
            pipe.send_bytes(b"")
            out[name] = pickle.loads(pipe.recv_bytes())
        for process in self.processes:
            process.join(10.0)
        return out

    @staticmethod
    def _hear(pipe: Pipe) -> list[bytes]:
        assert pipe.poll(120.0), "a cell's process says nothing any more"
        return [pipe.recv_bytes() for _ in range(int(pipe.recv_bytes()))]
