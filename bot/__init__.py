"""The chat experience: translates platforms' events, decides what they ask for, shows what comes of it. Never imports torch."""
