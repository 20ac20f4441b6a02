"""Discord as a chat platform. `platform.py` keeps the promises to the core, `client.py` hears Discord's events."""
