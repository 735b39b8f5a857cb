"""Before anything loads numpy: archipel asks for one thread per process, which bit-for-bit tests rely on."""

from hypothesis import HealthCheck, settings

import archipel  # noqa: F401

# `make test` judges a change: what hypothesis draws depends on the test alone, so that red is red again. Looking for
# what nobody thought of is the work of `make campaign`, with new draws each time. How long drawing and a case take says
# something of the machine's other work and nothing of the code, so it fails no test.
SLOW = [HealthCheck.too_slow]
settings.register_profile("same", derandomize=True, suppress_health_check=SLOW, deadline=None)
settings.register_profile("new", derandomize=False, print_blob=True, suppress_health_check=SLOW, deadline=None)
settings.load_profile("same")
