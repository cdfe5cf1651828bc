"""What a notebook's outputs came from, as a hash with its parts; and why committed outputs are stale.

Reads source text alone, so it works, and gives the same hash, where nothing that the notebooks import is installed.
"""

from aibook.fingerprint.fingerprint import (
    Fingerprint,
    FingerprintError,
    differences,
    fingerprint,
    measured,
    outputs_hash,
    stamp_of,
    why_stale,
)

__all__ = [
    "Fingerprint",
    "FingerprintError",
    "differences",
    "fingerprint",
    "measured",
    "outputs_hash",
    "stamp_of",
    "why_stale",
]
