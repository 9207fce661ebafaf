"""What a person may use, and the only importer of django_ratelimit."""
