"""Rules of tariffs and settlement as pure functions."""
