"""The page about a running node: what is heard of it, its buttons, and the server."""
