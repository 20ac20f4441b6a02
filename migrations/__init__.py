"""Alembic migrations, packaged so that an installed Tutee can bring its own database up to date."""
