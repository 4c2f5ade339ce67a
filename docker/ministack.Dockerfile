# S3 and DynamoDB on one port, for a machine without AWS. It pins a botocore of its own, so it has an image of its own.
FROM python:3.12.15-slim-bookworm

# The lock of the one that ./sluice runs.
COPY plugins/sluice/local/ministack.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt
RUN useradd --create-home ministack && install -d -m 0700 -o ministack /data
USER ministack

# Inside the container every interface is right; docker-compose.yaml publishes the port on 127.0.0.1 alone.
ENV BIND_HOST=0.0.0.0 GATEWAY_PORT=4566 SERVICES=s3,dynamodb,dynamodbstreams,iam,sts SFTP_ENABLED=0 IOT_MTLS_ENABLED=0 \
    AUTH=true S3_PERSIST=1 S3_DATA_DIR=/data/s3 PERSIST_STATE=1 STATE_DIR=/data/state LOG_LEVEL=WARNING
EXPOSE 4566
CMD ["ministack"]
