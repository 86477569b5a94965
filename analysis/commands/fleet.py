"""`fleet`: a matrix on many machines."""

import time
from pathlib import Path
from typing import Annotated

import typer

from analysis.frame.words import plural

NODES = typer.Option("--nodes", help="Nodes file: platforms and nodes (docs/fleet.md).")
FOLDER = typer.Option("--folder", help="Folder of submissions; every node sees it under this path (Slurm).")
RESULTS = typer.Option("--results", envvar="DYNO_RESULTS", help="The results volume, as the nodes see it.")
NAME = typer.Argument(help="The submission: its folder, as `fleet plan` printed it.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    fleet = typer.Typer(no_args_is_help=True, help="Measure a matrix on many machines: Slurm, Kubernetes, or hosts by SSH.")
    app.add_typer(fleet, name="fleet")
    for command in (plan, submit, status, collect, reconcile, run):
        fleet.command()(command)


def plan(
    nodes: Annotated[Path, NODES] = Path("nodes.yaml"),
    matrix: Annotated[Path, typer.Option("--matrix", "-m", help="What to measure.")] = Path("matrix.yaml"),
    profile: Annotated[str | None, typer.Option("--profile", "-p", help="Profile of the matrix.")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only cells that match; may be repeated.")] = None,
    sinfo: Annotated[bool, typer.Option("--sinfo", help="Take the nodes from Slurm's features instead of the file.")] = False,
    rounds: Annotated[
        int,
        typer.Option(min=1, help="How often every block is measured; from 2 on a task is one round, and the merge joins those of a board."),
    ] = 1,
    boards: Annotated[int, typer.Option(min=1, help="On how many nodes of its kind every block is measured.")] = 1,
    block: Annotated[float, typer.Option(min=0.1, help="Minutes of cells in one task.")] = 10.0,
    folder: Annotated[Path, FOLDER] = Path("fleet"),
    results: Annotated[Path, RESULTS] = Path("results"),
    name: Annotated[str | None, typer.Option(help="The submission's name. [default: the time]")] = None,
) -> None:
    """Assign the matrix to nodes, without submitting it.

    Writes the tasks, the script that does one of them, and the plan.
    """
    import re
    import tempfile

    from analysis.fleet import nodes as fleets
    from analysis.fleet import scripts, slurm, tasks
    from runner import files

    found = fleets.load(nodes)
    found = fleets.from_sinfo(found) if sinfo else found
    name = name or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise fleets.FleetError(f"--name {name}: use up to 31 lower-case letters, digits and hyphens")
    kinds = [platform for platform in found.platforms.values() if found.of(platform.name)]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / matrix.name  # which messages name
        try:
            text = files.read_text(matrix)
        except (OSError, UnicodeDecodeError) as error:
            raise fleets.FleetError(f"{matrix}: can't be read: {getattr(error, 'strerror', None) or 'no UTF-8 text'}")
        wanted.write_text(tasks.one_round(text) if rounds > 1 else text, encoding="utf-8")
        cells = {kind.name: tasks.planned(kind, str(wanted), profile, only or ()) for kind in kinds}
        text = wanted.read_text(encoding="utf-8")
    made = tasks.make(found, {kind: some for kind, some in cells.items() if some}, name, rounds, boards, 60 * block)
    place = (folder / name).resolve()
    for option, path in (("--folder", place), ("--results", results.resolve())):
        if not re.fullmatch(r"[\w./+@ -]+", str(path)):  # Slurm, Docker and Ansible each read other signs in their own way
            raise fleets.FleetError(f"{option} {path}: use a folder of letters, digits, blanks and . / + @ - _")
    if place.exists() and not tasks.is_left_over(place):
        raise fleets.FleetError(f"{place}: is there already; give another --name, or go on with `dyno fleet reconcile {place}`")
    place.mkdir(parents=True, exist_ok=True)
    used = tuple(kind for kind in kinds if cells[kind.name])
    submission = tasks.Submission(
        name,
        str(place),
        str(results.resolve()),
        used,
        tuple((node.name, node.platform) for node in found.nodes if cells.get(node.platform)),
        tuple(made),
    )
    files.atomic_write(place / "matrix.yaml", text)
    scripts.write(submission, profile)
    slurm.write(submission)
    tasks.save(submission)
    for array, some in submission.arrays().items():
        minutes = sum(task.seconds for task in some) / 60
        typer.echo(
            f"{array}: {plural(len(some), 'task')}, {plural(sum(len(task.cells) for task in some), 'cell')}, about {minutes:.0f} min of one node"
        )
    typer.echo(f"{place}")


def submit(
    name: Annotated[Path, NAME],
    engine: Annotated[str, typer.Option(help="slurm, or kubernetes (writes kubernetes.yaml for kubectl apply).")] = "slurm",
    claim: Annotated[str, typer.Option(help="Kubernetes: the PersistentVolumeClaim of the results.")] = "dyno-results",
    indexed: Annotated[bool, typer.Option(help="Kubernetes: Indexed Jobs (1.24 or later), or one Job per task.")] = True,
) -> None:
    """Hand all tasks to the engine."""
    from analysis.fleet import kubernetes, slurm, tasks
    from analysis.fleet.nodes import FleetError

    submission = tasks.load(name)
    if engine == "kubernetes":
        typer.echo(f"kubectl apply --filename {kubernetes.write(submission, claim, indexed)}")
    elif engine == "slurm":
        queued = slurm.queue(submission)
        if queued:
            raise FleetError(
                f"{name}: {len(queued)} of its tasks are with Slurm already; `dyno fleet reconcile {name}` submits what is missing"
            )
        ids = slurm.submit(submission, submission.tasks)
        typer.echo(
            f"{plural(len(submission.tasks), 'task')} submitted as {', '.join(ids)}; `dyno fleet status {name}` shows how far they are"
        )
    else:
        raise FleetError(f"--engine {engine}: choose from slurm, kubernetes")


def status(
    name: Annotated[Path, NAME],
    results: Annotated[Path | None, typer.Option("--results", help="The results volume, as this machine sees it.")] = None,
    queue: Annotated[bool, typer.Option(help="Ask Slurm too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how far a submission has come.

    What has a record, what the engine has, what is missing and why.
    """
    from analysis.fleet import reconcile as what
    from analysis.fleet import slurm, tasks
    from analysis.fleet.nodes import FleetError

    submission = tasks.load(name)
    states = what.states(submission, results)
    try:
        queued = {number: job.state for number, job in slurm.queue(submission).items()} if queue else {}
    except FleetError as error:
        raise FleetError(f"{error}; without Slurm: --no-queue counts records alone")
    if as_json:
        typer.echo(what.document(states, queued))
        return
    for state in states:
        if not state.complete:
            task = state.task
            where = queued.get(task.number, "missing").lower()
            typer.echo(
                f"task {task.number} ({task.platform}, board {task.board}, round {task.round}): {where}, {len(state.delivered)} of {len(task.cells)} cells"
                + (f"; {state.note}" if state.note else "")
            )
    typer.echo(what.summary(states, queued))


def reconcile(
    name: Annotated[Path, NAME],
    results: Annotated[Path | None, typer.Option("--results", help="The results volume, as this machine sees it.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be submitted, submit nothing.")] = False,
) -> None:
    """Submit again exactly what is missing.

    That is each task that lacks a record and that Slurm no longer has.
    """
    from analysis.fleet import reconcile as what
    from analysis.fleet import slurm, tasks

    submission = tasks.load(name)
    queued = slurm.queue(submission)  # before the records are read: a task that ends in between is counted as missing by neither
    states = {state.task.number: state for state in what.states(submission, results)}
    missing = what.missing(list(states.values()), queued)
    down = slurm.down()
    for task in missing:
        if task.board in down:
            typer.echo(f"task {task.number} waits for node {task.board}, which is {down[task.board]}", err=True)
    if missing and not dry_run:
        slurm.submit(submission, missing)
    held = [job.held for number, job in queued.items() if job.held and not states[number].complete]
    if held and not dry_run:
        slurm.release(held)
        typer.echo(f"{plural(len(held), 'held job')} released: {', '.join(held)}")
    numbers = slurm.indices([task.number for task in missing])
    typer.echo(
        f"{plural(len(missing), 'task')} missing{': ' + numbers if missing else ''}{'' if dry_run or not missing else '; submitted'}"
    )


def collect(
    name: Annotated[Path, NAME],
    out: Annotated[Path, typer.Option(envvar="DYNO_RESULTS", help="Results folder; records go below it.")] = Path("results"),
    results: Annotated[Path | None, typer.Option("--results", help="The results volume, as this machine sees it.")] = None,
) -> None:
    """Join the records into one file per board."""
    from analysis.fleet import reconcile as what
    from analysis.fleet import tasks

    submission = tasks.load(name)
    written = what.collect(submission, out, results)
    typer.echo(
        f"{plural(len(written), 'record file')} in {out / 'records' / submission.name}; {what.summary(what.states(submission, results), {})}"
    )


def run(
    hosts: Annotated[Path, typer.Option("--hosts", help="Nodes file with addresses.")],
    name: Annotated[Path, NAME],
    remote: Annotated[str, typer.Option(help="Folder on the hosts.")] = "/tmp/dyno-fleet",
    forks: Annotated[int, typer.Option(min=1, help="Hosts at a time.")] = 20,
    ssh_options: Annotated[str, typer.Option(help="More options for ssh and scp.")] = "",
) -> None:
    """Run a planned submission on hosts by SSH.

    Ansible checks each host, runs its tasks and fetches the records. The next run does what is missing.
    """
    from analysis.fleet import hosts as by_ssh
    from analysis.fleet import nodes, reconcile, tasks

    submission = tasks.load(name)
    fleet = nodes.load(hosts)
    todo = {task.number for task in reconcile.missing(reconcile.states(submission), ())}
    code = 0
    if todo:
        for task in by_ssh.assigned(submission, fleet)[by_ssh.NOBODY]:
            if task.number in todo:
                whom = f"host {task.board}" if task.board != tasks.ANY else f"a host of {task.platform}"
                typer.echo(f"task {task.number} waits for {whom}, which {hosts} has not", err=True)
                code = 1
        Path(submission.results, "tasks").mkdir(parents=True, exist_ok=True)
        code = by_ssh.run(submission, fleet, todo, remote, forks, ssh_options) or code
    typer.echo(reconcile.summary(reconcile.states(submission), {}))
    raise typer.Exit(1 if code else 0)
