"""The store as a Django app: its models are the schema."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "opensmm.store"
    label = "store"
    default_auto_field = "django.db.models.BigAutoField"
