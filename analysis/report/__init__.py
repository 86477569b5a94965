"""The report: one page, its figures and its tables."""
