"""A matrix on many machines: planned here, scheduled by an engine that people already run (Slurm, Kubernetes, or hosts by SSH)."""
