"""One set of people from several calibrated views: who is who, where their joints are, one motion per person."""
