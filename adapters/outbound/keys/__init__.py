"""Data keys of personal data: where they are kept, what wraps them, and what they seal."""
