"""Every command by name and summary. A command's module is imported when the command is called, never before."""

from typing import NamedTuple


class Command(NamedTuple):
    """One line of `dyno --help`. ``function`` is the command in ``module``; where it is empty, the module has ``register(app)``."""

    name: str
    summary: str
    module: str
    function: str = ""


MEASURING = (
    Command("plan", "Show what will be measured here and how long it takes.", "runner.commands.show", "plan"),
    Command("run", "Measure what is missing.", "runner.commands.measure", "run"),
    Command("status", "Show what is done, failed, contended and missing.", "runner.commands.show", "status"),
    Command("accuracy", "Count Top-1 and Top-5 on labelled images.", "runner.commands.measure", "accuracy"),
    Command("doctor", "Check this machine before measuring.", "runner.commands.machine", "doctor"),
    Command("selftest", "Try every backend, precision and sensor here.", "runner.commands.selftest", "selftest"),
    Command("profile", "Show where a network's time goes.", "runner.commands.profile", "profile"),
    Command("export", "Make the networks' files for images without PyTorch.", "runner.commands.export", "export"),
    Command("backends", "List the backends, and why one can't run here.", "runner.commands.machine", "backends"),
    Command("models", "List the networks that need no prefix.", "runner.commands.machine", "models"),
    Command("environment", "Print the facts of this machine as JSON.", "runner.commands.machine", "environment"),
    Command("schema", "Print the record's fields with their units.", "runner.commands.machine", "schema"),
    Command("noise", "Measure by how much identical sweeps differ here.", "runner.commands.noise", "noise"),
)
DECIDING = (
    Command("report", "Merge records and write the report.", "analysis.commands.report"),
    Command("compare", "Say which cells became faster or slower.", "analysis.commands.compare"),
    Command("predict", "Predict a network that was not measured.", "analysis.commands.predict"),
    Command("recommend", "List the networks that meet your limits.", "analysis.commands.recommend"),
    Command("search", "Find the best network within limits, measuring only a few.", "analysis.commands.search"),
    Command("import", "Bring in other tools' results.", "analysis.commands.import_"),
    Command("export-table", "Write the merged records as one table.", "analysis.commands.export_table"),
    Command("fleet", "Gather the records of many machines.", "analysis.commands.fleet"),
)
