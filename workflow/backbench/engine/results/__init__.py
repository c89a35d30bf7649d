"""The results of sweeps: runs joined with their records, as rows and as tables."""
