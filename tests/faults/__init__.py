"""Every fault that a test can cause: a table of cases, each lived through by a whole installation of real processes."""
