"""The report: one page that tells what a run found, and works offline from a file."""
