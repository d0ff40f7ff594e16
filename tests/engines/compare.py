"""How podinit and its peers fare at the same checks, as a table in Markdown."""
import sys

import as_cri
import as_init
import as_pause
import as_process
import images
from containerd import Containerd
from podman import Podman
from report import Report


def table(all_candidates, scratch):
    results = {candidate.name: Report(sys.stderr) for candidate in all_candidates}
    with Podman(scratch / "podman") as podman:
        podman.import_images(images.make(scratch / "images", all_candidates))
        for candidate in all_candidates:
            report = results[candidate.name]
            report.say(f"== {candidate.name}")
            if candidate.init:
                as_process.check(report, candidate.init)
                podman.start_with(candidate.init)
                as_init.check(report, podman)
            if candidate.pause:
                image = images.pause(candidate)
                as_pause.check(report, podman, image)
                directory = scratch / f"containerd-{candidate.name}"
                with report.part("containerd"), Containerd(directory, podman, image) as containerd:
                    as_cri.check(report, containerd)
    return markdown({name: report.lines for name, report in results.items()})


def markdown(columns):
    """`columns` has for each name what went wrong with each line. A row for each line that somebody falls short of."""
    lines = dict.fromkeys(line for column in columns.values() for line in column)
    telling = [line for line in lines if any(column.get(line) is not None for column in columns.values())]
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[line, *(cell(column, line) for column in columns.values())] for line in telling]
    rows = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*rows, "", f"None falls short of the other {len(lines) - len(telling)} checks."])


def cell(column, line):
    if line not in column:
        return "–"
    return "yes" if column[line] is None else "no"
