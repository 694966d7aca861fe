"""What gunicorn serves: ``gunicorn sendit.server.wsgi:application``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendit.server.settings")

application = get_wsgi_application()
