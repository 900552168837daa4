"""The bundled detector: an Ultralytics pose network trained on synthetic images."""
