"""From a person's box to joints."""
