"""A small Slack on loopback for the unmodified slack-bolt and slack-sdk. `fake.py` is where to start."""
