"""What things cost by the month, for the table of costs. Estimates in US dollars for Seoul, on demand, entered by hand in 2026.

Nothing here was fetched from AWS: before money depends on it, look into AWS's price list and change the numbers. Traffic, requests
and log volume depend on use and are not in it.
"""

from __future__ import annotations

HOURS = 730
"""Of a month, as AWS counts it."""

EC2_HOUR = {"t4g.small": 0.0208, "c7g.large": 0.0816, "c7g.xlarge": 0.1632}
RDS_HOUR = {"db.t4g.medium": 0.102, "db.r7g.xlarge": 0.574}
"""In one zone; two cost twice that."""
CACHE_HOUR = {"cache.t4g.micro": 0.024, "cache.r7g.large": 0.263}
NAT_HOUR = 0.059
BALANCER_HOUR = 0.0225
ADDRESS_HOUR = 0.005
RDS_GIB = 0.131
EBS_GIB = 0.0912
SECRET = 0.40
KEY = 1.00
ALARM = 0.10
ZONE = 0.50
