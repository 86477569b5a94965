"""What every command shares: options, messages, exit codes."""
