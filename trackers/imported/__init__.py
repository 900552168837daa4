"""Networks of other projects, as torch modules: the one form they are kept in, and who reads theirs into it."""
