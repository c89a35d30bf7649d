"""The plan of a sweep: from composed combinations to stages and jobs, frozen into a file. Nothing is computed here."""
