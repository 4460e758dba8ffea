"""What leaves the warehouse as files: a catalog, renderers, and a writer whose files are whole."""
