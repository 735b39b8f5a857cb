"""The fence a child process puts around itself before it looks at anybody's file.

Resource limits (`setrlimit`) everywhere they exist, and on Linux the Landlock rules of the kernel: from then on the
process and whatever it starts may write below its own folder only, and read there, in the installation and in the
system's libraries.
Structures and numbers: https://docs.kernel.org/userspace-api/landlock.html (user space interface, ABI 1 to 4).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CREATE, ADD, RESTRICT = 444, 445, 446
NO_NEW_PRIVS = 38
READ = (1 << 2) | (1 << 3)
"""Read files, list folders."""
ALL_V1 = (1 << 13) - 1
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
TCP = 0b11
"""Bind and connect."""
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/dev/random")
"""What the loader and the engine read of the system."""


def limit_resources(memory: int, file_size: int, files: int) -> None:
    """Bound the address space and the size of one written file [bytes], and the open files."""
    if sys.platform == "win32":
        return
    import resource

    for kind, amount in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (bound, bound))


def limit_time(seconds: float) -> None:
    """Bound the processor time from now on [s]: should the parent be gone, the child does not run for ever."""
    if sys.platform == "win32":
        return
    import resource

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))


def shut_in(folder: Path, readable: Sequence[str]) -> bool:
    """Let this process write below `folder` only, read there and below `readable`, and use no network.

    Returns False where the kernel has no Landlock: then the rules for commands and paths are the fence.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    handled = ALL_V1 | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    handled |= IOCTL_DEV if version >= 5 else 0
    rules = (ctypes.c_uint64 * 2)(handled, TCP if version >= 4 else 0)
    ruleset = library.syscall(CREATE, rules, ctypes.c_size_t(16 if version >= 4 else 8), 0)
    if ruleset < 0:
        return False
    try:
        _allow(library, ruleset, str(folder), handled)
        for path in (*SYSTEM, *readable):
            _allow(library, ruleset, path, READ)
        library.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(library.syscall(RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _allow(library: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            access &= ~(1 << 3)
        library.syscall(ADD, ruleset, 1, ctypes.byref(_PathBeneath(access, handle)), 0)
    finally:
        os.close(handle)
