"""What the estate tells of itself: how it grows, and until when that goes well."""
