"""What Django needs to know to make and change the schema. Connections are given by whoever migrates."""

import os

SECRET_KEY = os.urandom(32).hex()
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "opensmm.store"]
AUTH_USER_MODEL = "store.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
