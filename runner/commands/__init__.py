"""The commands, in the order in which `dyno --help` lists them."""
