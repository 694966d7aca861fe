"""What gunicorn serves for ``sendit identity serve``."""

import os

from django.core.wsgi import get_wsgi_application

# Not only a default: the command that starts us runs under the pages' settings.
os.environ["DJANGO_SETTINGS_MODULE"] = "sendit.server.identity_settings"

application = get_wsgi_application()
