"""Settings of the site; what differs from test to test comes from the environment."""

import os

SECRET_KEY = "only-for-tests-on-loopback"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_scim", "poor"]
MIDDLEWARE = ["poor.door.BearerToken", "django_scim.middleware.SCIMAuthCheckMiddleware"]
ROOT_URLCONF = "poor.urls"
AUTH_USER_MODEL = "poor.User"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
        },
    }
}
SCIM_SERVICE_PROVIDER = {
    "SCHEME": "http",
    "NETLOC": f"127.0.0.1:{os.environ['PORT']}",
    "GROUP_MODEL": "poor.models.Group",
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Token", "description": "A bearer token"}],
    "EXPOSE_SCIM_EXCEPTIONS": True,
}
