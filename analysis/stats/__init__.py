"""Statistics as library functions: frames in, frames out, no files, no global state.

    from analysis.stats import anova, batch_law
    anova.factorial(frame, "log_time", ["model", "batch_size"])
    batch_law.fit(frame)

Times are analysed on their logarithm (`observations` adds the column); every random procedure takes a seed.
"""
