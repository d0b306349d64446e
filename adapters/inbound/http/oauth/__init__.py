"""The protocol endpoints of the authorization server, for processes only. What people see of it
(``/oauth2/authorize``, ``/oauth2/logout``, ``/device``) is among the pages of accounts."""
