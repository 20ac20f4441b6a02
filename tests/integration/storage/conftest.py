"""Databases for these tests."""

from tests.storage_fixtures import ada, database, database_url, lesson, repositories  # noqa: F401  (pytest finds fixtures by name)
