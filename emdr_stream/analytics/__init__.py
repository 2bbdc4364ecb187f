"""What sessions left behind in, figures, trends and insights out: of a client, of many clients, of the service.

Pure: rows are handed in, time is handed in. For therapists and operators; nothing in here goes to a client.
"""
