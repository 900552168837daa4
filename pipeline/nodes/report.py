"""The node `report`: the page that tells what a run found."""

from collections.abc import Sequence
from pathlib import Path

from configs.output_schema import ReportSettings
from configs.version import program_version
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import RunRecord
from pipeline.report.write import write_page
from pipeline.results import Run


def write_report(files: RunFolder, record: RunRecord, settings: ReportSettings, claim: Claim) -> Sequence[Path]:
    """Write the report of a run that is about to end; return its file.

    Args:
        record: what is known of the run by now; a problem in it makes the run a partial one.
    """
    ending = {"status": "partial" if record.problem else "done", "program": program_version()}
    claim([files.report])
    write_page(files.report, Run.with_record(files.path, record.model_copy(update=ending)), settings)
    return [files.report]
