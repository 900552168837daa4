"""Where units of work run: in this process, in several, or on a cluster. What a unit does is not known here."""
