"""Before anything loads numpy: archipel asks for one thread per process, which bit-for-bit tests rely on."""

import archipel  # noqa: F401
