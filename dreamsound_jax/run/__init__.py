"""Many clips: plan, read, batch, write, resume."""
