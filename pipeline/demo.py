"""The bundled clip, and the bundled capture."""

from pathlib import Path

DEMO_CLIP = Path(__file__).parent / "data" / "demo" / "demo.mp4"
DEMO_TRUTH = DEMO_CLIP.with_name("truth.npz")  # what the people in it truly do
DEMO_CAPTURE = DEMO_CLIP.parents[1] / "demo_capture"
