"""Small helpers over the operating system."""
