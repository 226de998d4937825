"""The web page for people who upload spreadsheets: a face of the pipeline, served by `importer serve`."""
