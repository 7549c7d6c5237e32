"""One module per way to see edges."""
