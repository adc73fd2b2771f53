"""How work runs: fallback chains of models, worker threads, mailboxes, time limits, memory."""
