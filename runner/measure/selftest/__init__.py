"""What this platform can do, proven by doing it: rows with a verdict each, from the records of real runs in processes of their own."""
