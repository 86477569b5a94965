"""The columns that every frame has, whatever its rows come from. Missing is NaN or None, never 0; units are SI."""

CELL = ("platform", "device", "backend", "model", "precision", "batch_size", "input_px", "scenario")
TEXT = ("record_id", "run", "host", "source", *CELL[:5], "scenario", "cell_id", "role", "anchor", "status", "reason", "phase", "started_at", "weights", "weights_tag",
        "memory_method", "accuracy_source", "accuracy_weights", "accuracy_data", "family", "environment", "file", "power_mode", "ended", "so_far", "task", "lacks", "citation")  # fmt: skip
NUMBERS = ("batch_size", "input_px", "attempt", "latency_s", "latency_p90_s", "latency_p90_low_s", "latency_p90_high_s", "latency_p95_s", "latency_p95_low_s", "latency_p95_high_s",
           "latency_p99_s", "latency_p99_low_s", "latency_p99_high_s", "n_replicates", "n_samples", "noise", "throughput", "load_s",
           "first_latency_s", "h2d_s", "d2h_s", "device_s", "in_flight", "others_share", "params_m", "gmacs", "activations_m", "parity_max_rel", "parity_cosine", "parity_top1_flips",
           "memory_mb", "memory_peak_mb", "memory_sampled_mb", "energy_j", "above_idle_j", "power_w", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high",
           "top1_change", "top1_change_low", "top1_change_high", "top1_change_p",
           "accuracy_images", "wall_s", "sensitivity", "n_asked", "sustained_s", "rounds", "complexity_px")  # fmt: skip
TUPLES = ("quality", "replicate_medians_s", "replicate_rounds")
OTHER = ("contended", *TUPLES, "op_features", "executed")
COLUMNS = (*TEXT, *NUMBERS, *OTHER)
PRICES = ("price_per_hour", "price_per_kwh")  # what a user says a platform costs (analysis.stats.cost); no record holds them
NO_WORK = "noop"  # the backend that measures the harness itself: it executes no network, so it can't be ranked with those that do
