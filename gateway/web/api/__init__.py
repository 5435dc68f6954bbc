"""``/api/v1``: the REST API of programs. One table of routes, which is served, described and tested."""
