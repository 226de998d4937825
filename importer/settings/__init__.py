"""Options, files of settings, profiles and their schema."""
