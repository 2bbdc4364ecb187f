"""The archive in; dashboards, insights, trends, exports, session reports out. Who may ask is the caller's to check."""
