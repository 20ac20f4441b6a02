"""Chat platforms: each translates between its own events and `bot.messages`, and decides nothing."""
