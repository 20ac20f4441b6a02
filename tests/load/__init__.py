"""Thousands of people at once, through a fake chat platform: how many messages a second, what waits, and whether memory stays flat."""
