"""What every process stands on, and the only place that opens sockets. Knows no service and no rule of the product."""
