"""Networks: where they come from, their weights, their files and what is known of their graphs."""
