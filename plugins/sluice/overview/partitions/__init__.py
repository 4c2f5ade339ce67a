"""Partitions and archives: where each month of each table stands, and of each kind of records in DynamoDB."""
