"""Measurements become part of a scenario: read, proposed, checked, resampled, written; nothing guessed silently.

`adding.add_data` is the door. The way through the rooms:

    source    bytes of a CSV, Excel or Parquet file, unpacked and bounded, as columns
    layout    which column is time, which are meters: wide, long, or charging sessions
    stamps    text and numbers as moments;  clock  from a local clock to UTC
    units     what the numbers are, by their names;  mapping  what was decided, so that it can be repeated
    steps     from stamps to intervals;  resample  to quarter hours, energy kept;  gaps  what is missing
    plausible what the numbers say about a wrong unit, zone or sign
    matching  which meter belongs to which device
    span, staging  one span for all series of a scenario, all files in place or none
"""
