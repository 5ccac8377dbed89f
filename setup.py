"""The wheel carries the notebooks, which lie beside the library: pyproject.toml can not say so."""

from pathlib import Path
from shutil import copy2

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithNotebooks(build_py):
    """Copies the notebooks into the package; an editable install finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "backfill" / "notebooks"
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(Path("notebooks").glob("*.ipynb")):
            copy2(notebook, folder / notebook.name)


setup(cmdclass={"build_py": BuildWithNotebooks})
