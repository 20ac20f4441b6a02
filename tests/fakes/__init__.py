"""Stand-ins for services that tests cannot reach, on loopback."""
