"""`python -m pipeline.cli` is `dpmesh-video`."""

from pipeline.cli import main

main()
