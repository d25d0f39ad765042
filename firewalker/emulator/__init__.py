"""An FCM that runs here: what it takes, refuses and answers is Google's; what it delivers is shown on a page.

`make run` starts it, so that pushes can be seen; tests have it misbehave. It knows nothing of the services: they are pointed
at it by address, certificate and service account, and do not notice.
"""
