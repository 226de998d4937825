"""The command line: one module per family of verbs, loaded when a verb is used."""
