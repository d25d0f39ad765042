"""Everything is killed, paused, slowed and cut off in turn while people use the product; what then has to hold all the same."""
