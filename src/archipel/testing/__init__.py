"""The conformance suites, shipped."""
