"""The demonstration: a first minute that plays by itself on a fixed seed, and goes on afterwards."""
