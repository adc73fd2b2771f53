"""Errors that a user can act on: what is wrong, with which input, and what to do about it."""


class PoseEstimationError(Exception):
    """Base of every error that this package raises on purpose. Its text is one line."""


class ConfigError(PoseEstimationError):
    """A setting is unknown, out of range, or contradicts another."""


class ModelError(PoseEstimationError):
    """A model file is missing, unreadable, or of a shape that nothing here understands."""


class RuntimeMissingError(ModelError):
    """A model needs a library that is not installed."""


class InputError(PoseEstimationError):
    """An image, video or message cannot be used."""


class CancelledError(PoseEstimationError):
    """The work was given up, since nobody waits for it any more."""


class ClosedError(CancelledError):
    """Models were used after they were closed, or in a fork of the process that loaded them."""


_LONGEST_QUOTE = 40  # characters


def quoted(text: str) -> str:
    """Text from outside, quoted for an error or a log line: escaped, and cut to 40 characters."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}...")
