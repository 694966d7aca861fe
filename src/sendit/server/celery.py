"""The Celery application for Celery's own tools: ``celery -A sendit.server.celery …``.

Workers are started by ``sendit worker``, which also watches over them.
"""

import importlib
import os

import django
from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendit.server.settings")
django.setup()

# By name: the workers' module asks for models, which are there only now.
app: Celery = importlib.import_module("sendit.workers.celery").make_app(settings.SENDIT)
