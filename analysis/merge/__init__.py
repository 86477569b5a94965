"""Any number of record files as one table: DuckDB reads what is new into a Parquet cache, pandas sees what is drawn."""
