"""What ``python3 dev manifest`` writes: the import file, and tables in pages."""
