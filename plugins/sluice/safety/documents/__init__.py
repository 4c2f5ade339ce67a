"""DynamoDB: by a scan and the log of the stream in the vault, or by the service's own backups; settings put back, and diffed."""
