"""Command that answers a paper's question by small trainings: study."""

from pathlib import Path

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import print_line, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.cli.train import treat_sigterm_as_ctrl_c
from kerasrecipes.errors import KerasRecipesError


@command("study")
@argument("name", required=False, help="Name of a study or its YAML file. Without a name, all studies are listed.")
@option("--variant", "variants", multiple=True, metavar="NAME", help="Train only this variant. Repeatable. Default: all.")
@options.output("Folder of the trainings. Trainings in it are continued.", type=Path, default="runs/studies")
@option("--max-minutes", type=float, metavar="M", help="Stop each training after this time (default: no limit).")
@option("--plot", type=Path, metavar="FILE", help="Plot the results of the variants into this PNG file (default: no plot).")
@option("--write", type=Path, metavar="FOLDER", help="Write NAME.json for the documentation into this folder (default: not written).")
def run_study(name, variants, output, max_minutes, plot, write) -> None:
    """Answer a paper's question by small trainings that differ in one setting."""
    from kerasrecipes.experiments import study_questions

    if not name:
        for each, question in study_questions.experiment_questions().items():
            print_line(f"{each:14} {question}")
        return
    study_questions.find_experiment_file(name)  # an unknown name is reported before a backend is imported
    options.start_backend()
    from kerasrecipes.experiments import studies, study_plot
    from kerasrecipes.utils.files import write_json

    study = studies.load_experiment(name)
    treat_sigterm_as_ctrl_c()
    results = studies.run_experiment(
        study, output / study.name, variants=variants, max_minutes=max_minutes,
        on_result=lambda result: print_status(f"{result.variant}, seed {result.seed}: done"),
    )  # fmt: skip
    if not results:
        raise KerasRecipesError(f"No training of {study.name} is done yet: repeat the command to continue")
    record = studies.results_record(study, results, output / study.name)
    print_line("\n".join(study_plot.results_table(record["results"])))
    if plot:
        print_line(study_plot.save_experiment_plot(record, plot))
    if write:
        print_line(write_json(write / f"{study.name}.json", record))
