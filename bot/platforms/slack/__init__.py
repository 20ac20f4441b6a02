"""Slack as a chat platform. `platform.py` keeps the promises to the core, `hearing.py` hears Slack's events."""
