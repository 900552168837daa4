"""The detector of people that comes with the package: two small networks trained by others on real images, joined."""
