"""Firebase Cloud Messaging, HTTP v1: messages, answers, access tokens, and how fast and whether to send at all."""
