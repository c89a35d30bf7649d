"""Running a plan: what of it is done, and the computation of one job."""
