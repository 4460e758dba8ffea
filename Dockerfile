# One image for every service of docker-compose.yml: Airflow, the pipeline, dbt and Great Expectations in one environment.
FROM python:3.11.14-slim-bookworm

RUN useradd --create-home --uid 50000 pipeline

WORKDIR /app
COPY requirements.txt .
# The file is complete, dependencies of extras included; pip would ask for hashes of `mashumaro[msgpack]` beside mashumaro.
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt

# Its version goes into the manifests of the reports.
COPY pyproject.toml .
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY extractors extractors
COPY insights insights
COPY local local
COPY migrations migrations
COPY reports reports

# The code is read-only; what is written goes to these three folders, each a volume or a tmpfs.
RUN install --directory --owner=pipeline --mode=0750 /var/lib/pipeline/airflow /var/lib/pipeline/exports /var/lib/pipeline/logs
ENV PYTHONPATH=/app:/app/local/airflow_config \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER pipeline
CMD ["airflow", "version"]
