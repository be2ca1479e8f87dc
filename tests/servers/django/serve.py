"""Makes the database and serves the site on loopback: `DATABASE=FILE PORT=8000 TOKEN=secret python serve.py`."""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "poor.settings"

import waitress  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

site = get_wsgi_application()
call_command("migrate", run_syncdb=True, verbosity=0)
waitress.serve(site, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8, clear_untrusted_proxy_headers=True)
