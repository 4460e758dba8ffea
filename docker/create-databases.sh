#!/bin/bash
# Runs once, when the postgres volume is empty: one login and one database for the warehouse, one of each for Airflow.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set warehouse_password="$WAREHOUSE_PASSWORD" --set airflow_password="$AIRFLOW_DATABASE_PASSWORD" <<'SQL'
-- createrole: the pipeline makes the BI logins of its tenants itself.
create role warehouse login createrole password :'warehouse_password';
create database warehouse owner warehouse;
create role airflow login password :'airflow_password';
create database airflow owner airflow;
SQL
