"""Before anything loads numpy: archipel asks for one thread per process, which bit-for-bit tests rely on."""

from hypothesis import settings

import archipel  # noqa: F401

# `make test` judges a change: what hypothesis draws depends on the test alone, so that red is red again. Looking for
# what nobody thought of is the work of `make campaign`, with new draws each time.
settings.register_profile("same", derandomize=True)
settings.register_profile("new", derandomize=False, print_blob=True)
settings.load_profile("same")
