"""Imports what a process that tracks imports late, for the one that forks them."""

import alembic.command
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import psycopg2

from backbench.tracking import service

service.hush()
USED = (alembic.command, mlflow.store, psycopg2)
