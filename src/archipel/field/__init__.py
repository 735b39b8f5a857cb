"""Host 2: one cell as a process, with real drivers, a real transport and a journal. Needs the extra `field`."""
