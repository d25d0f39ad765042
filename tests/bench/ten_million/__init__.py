"""A day of ten million walkers, from a sample that goes through the product's own code: what it takes, and what breaks first.

    python -m tests.bench.ten_million [--people 600] [--users 10000000] [--seed 1] [--figures FILE] [--json FILE]

`people` makes them up: zones, friends, groups, habits, when they open the app. All that is assumed is said there and printed.
`day` lets them live one day through the step service's rules: readings judged and merged, frames to the boards that are open,
overtakes, goals. `stored` puts what became of it through the services' stores into a private MySQL, and totals into a private
Redis, and looks how large it is and what it costs. `scaled` multiplies, with the error of the sample. Nothing is written down here
that the product decides: limits, formats and rules are imported.
"""
