"""The write side: messages, the handlers that decide, and the ports they need."""
