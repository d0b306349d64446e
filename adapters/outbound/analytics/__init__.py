"""Statistics: records into a Kinesis stream, out of it into Parquet, and reports over that."""
