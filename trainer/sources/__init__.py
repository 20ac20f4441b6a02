"""Where a lesson's text comes from."""
