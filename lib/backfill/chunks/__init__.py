"""The loop that writes a plan chunk by chunk, exactly once."""
