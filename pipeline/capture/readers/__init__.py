"""One module per family of calibration files; each returns the layout's name, the cameras and what was assumed."""
