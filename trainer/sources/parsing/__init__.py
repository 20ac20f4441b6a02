"""Files and pages into blocks of text, read by a process of its own that may not take much time or memory."""
