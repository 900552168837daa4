"""What people look like: one vector per detection, measured where a person is clear of others."""
