"""Types of columns that many Parquet tables of a run share."""

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
WORD = pa.dictionary(pa.int32(), pa.string())
