"""Remembers users, lessons, adapters, conversations and feedback: rows in SQL, adapters in files."""
