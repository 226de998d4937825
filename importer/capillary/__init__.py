"""The only package that speaks the API: client, wire format, credentials and the catalogue of codes."""
