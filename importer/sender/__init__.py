"""The engine: takes customers from the chunker, asks the API, writes outcomes to the journal."""
