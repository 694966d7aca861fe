"""Who calls the runner: this process, a few local ones, or Celery's."""
