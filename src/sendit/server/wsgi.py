"""What gunicorn serves: ``gunicorn sendit.server.wsgi:application``."""

import os

from django.core.wsgi import get_wsgi_application

from sendit.errors import SenditError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendit.server.settings")

try:
    application = get_wsgi_application()
except SenditError as error:  # as commands do; gunicorn would show forty lines above these words
    raise SystemExit(str(error)) from None
