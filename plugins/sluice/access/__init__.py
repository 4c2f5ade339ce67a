"""What an application uses to read and write the DynamoDB model: a plain library, with no Airflow on its path.

`entities` is the front door. Everything here takes boto3 clients and plain values, and gives plain values back.
"""
