"""Django's settings for migrations of the schema. The code that migrates adds the connections."""

import os

SECRET_KEY = os.urandom(32).hex()
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "opensmm.store"]
AUTH_USER_MODEL = "store.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
