"""The engine: one base model in memory, everyone's adapters on it, many users in one batch."""
