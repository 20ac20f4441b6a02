"""A whole installation of real processes with people in it, for tests that harm it: faults, a long random soak, thousands of users."""
