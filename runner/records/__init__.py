"""What a record is, and how record files are read, written and checked: the contract with the analysis."""
