"""Lets those in who have the token."""

import os

from django.contrib.auth.models import AnonymousUser

from .models import User


class BearerToken:
    """Gives each request its user: the agent where the token is right, else nobody."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        known = request.headers.get("Authorization") == f"Bearer {os.environ['TOKEN']}"
        request.user = User(username="agent") if known else AnonymousUser()
        return self.get_response(request)
