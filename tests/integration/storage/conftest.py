"""Databases for these tests."""

from tests.storage_fixtures import database, database_url, repositories  # noqa: F401  (pytest finds fixtures by name)
