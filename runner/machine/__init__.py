"""Facts of this machine, read from files: no framework is imported and no device opened."""
