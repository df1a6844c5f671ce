"""Pictures and clips on disk; nothing here knows of networks."""
