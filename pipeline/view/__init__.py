"""A finished run as a scene in metres, and the viewer that shows it in a browser."""
