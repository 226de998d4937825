"""The unattended load: inbox, claims, notices."""
