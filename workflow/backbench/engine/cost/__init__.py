"""What one stage result costs in seconds, by its options and its size."""
