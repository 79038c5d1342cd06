"""The web pages: one thin file per page, and the frame, charts, tables and filters they share (names with an
underscore)."""
