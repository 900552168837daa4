"""What reading a damaged file may raise."""

import tokenize
import zipfile
import zlib

NPZ_DAMAGE = (
    *(EOFError, LookupError, OSError, RuntimeError, SyntaxError, ValueError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise where an `.npz` cannot be read, or bits of it are wrong."""
