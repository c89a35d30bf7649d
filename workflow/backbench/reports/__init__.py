"""Reports: pages for people, made from stored records alone; jinja2 is imported inside functions only."""
