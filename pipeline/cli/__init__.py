"""The command `dpmesh-video`. Only this package prints and configures the log."""

from pipeline.cli.entry import main

__all__ = ["main"]
