"""The page for people who upload: a face of the same pipeline, served by `importer serve`; no logic of its own."""
