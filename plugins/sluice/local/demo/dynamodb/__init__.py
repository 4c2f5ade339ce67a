"""The demo on DynamoDB: five legacy tables become a single-table design, with what cannot be mapped, there and back."""
