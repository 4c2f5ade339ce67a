"""What every way out of a DynamoDB table has in common, whatever the items become."""
