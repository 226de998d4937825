"""Options, settings files, profiles and their schema."""
