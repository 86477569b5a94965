"""Two sets of records against each other, and the noise of the machine that made them."""
