"""What can go wrong between a registry entry and a verified file; each message says what to do next."""


class DataError(RuntimeError):
    """A data set cannot be had; the base of the others."""


class SourceError(DataError):
    """One source did not deliver; the next one is tried."""


class WrongFileError(SourceError):
    """A file arrived, but not the registered one: truncated, too long, or another checksum."""


class NoSpaceError(DataError):
    """The disk is full; no other source would help."""

    REMEDY = "Make room, or set AIBOOK_CACHE to a folder on another disk."


class UnavailableError(DataError):
    """No source delivered; the message lists each one, why it failed, and what the reader can do."""
