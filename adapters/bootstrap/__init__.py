"""The composition root: the only place that sees concrete outbound adapters.

Each process has a module here with an async context manager that gives what the process needs and
closes it again; ``process``, ``core``, ``read_models`` and ``operations`` are the parts they share.
Nothing is exported here, and what only some processes need is imported within their functions: an
API that starts as a function pays for every import, and needs no broker (a test looks).
"""
