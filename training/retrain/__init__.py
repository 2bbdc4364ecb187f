"""Retraining: when it is due, what it trains on, what may become of it; a Celery task on the service's Redis."""
