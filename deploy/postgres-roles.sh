#!/bin/sh
# Makes the panel's two roles and its database, once, in a PostgreSQL that starts for the first time.
set -eu
psql --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
    --set=owner="$OWNER_PASSWORD" --set=app="$APP_PASSWORD" <<'SQL'
create role opensmm_owner login password :'owner';
create role opensmm_app login password :'app';
create database opensmm owner opensmm_owner;
SQL
