"""Processes as they run on hosts of their own: nothing in common but PostgreSQL, Redis and a bucket, and networks that can be cut."""
