"""The pages of papers from their tables alone: a page of each with its pictures, and one of all."""
