"""Benchmarks: ours and its yardsticks in turn, in one run, on a private server; see ``make bench``.

===============  ======================================================================================================
``records``      what is stored: kinds of records, and rows of them
``server``       a server of the run's own
``rounds``       how contenders are run in turn
``figures``      what the rounds come to: medians, spread, ratios, and whether a promise is kept
``scale``        how much of everything a run does
``yardsticks``   one module for each library that stores records
``cases``        one module for each kind of work
``project``      a project whose commands are run
``live``         a client that takes its own latency while something else runs
``table``        what people read on a terminal and in the documentation
``document``     the same as JSON
``plots``        the same as SVG
``pages``        where tables and plots go in the documentation
===============  ======================================================================================================
"""
