"""importer puts spreadsheets of customer preferences into Capillary's loyalty platform and accounts for every row."""

__version__ = "0.1.0"
