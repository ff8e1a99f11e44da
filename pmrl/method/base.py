"""What a method is: a training loss and a retrieval score over unit embeddings, in one file.

PMRL is in ``pmrl/objective.py``, each baseline in ``baselines/<name>.py``; see docs/adding_a_baseline.md.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from pmrl.discovery import ROOT, method_file
from pmrl.errors import UserError

if TYPE_CHECKING:
    from pmrl.data.dataset import Card, Dataset
    from pmrl.method.embeddings import Batch, Embeddings
    from pmrl.method.networks import Network
    from pmrl.method.sizes import NetworkSettings

# Modules that baselines of version 0.1 imported; pmrl.method now exports their names.
MOVED = ("pmrl.contrastive", "pmrl.matching", "pmrl.networks")


def searched(default: Any, *others: Any) -> Any:
    """A hyper-parameter with a ``default``; tuning chooses among the default and the ``others``."""
    return dataclasses.field(default=default, metadata={"grid": tuple(sorted({default, *others}))})


class Method(nn.Module):
    """Base class: a method turns embeddings into loss terms while training and into scores while evaluating.

    A subclass sets the class attributes and implements ``loss``; ``score`` is the cosine of the two sides' centroids
    unless a method overrides it. The values that a config may override are declared in a nested class, which becomes
    a frozen dataclass::

        class Hyperparameters(Method.Hyperparameters):
            temperature: float = searched(0.07, 0.05, 0.1, 0.2)

    A method's own learnable parameters, such as a temperature, are ordinary ``nn.Parameter`` objects.

    A method with ``closed_form = True`` is not trained by gradients: ``fit`` is called once, on a new network, instead
    of the training loop, and neither ``loss`` nor the foundation is used. A method with ``learns = False`` is a
    yardstick that is expected to score no better than an untrained network.

    Args:
        hyperparameters: an instance of the class's ``Hyperparameters``.
    """

    title: ClassVar[str]
    reference: ClassVar[str]
    color: ClassVar[str]
    closed_form: ClassVar[bool] = False
    learns: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Hyperparameters:
        """Values that every method has; each method's own ``Hyperparameters`` inherit from these.

        Attributes:
            learning_rate: peak learning rate of AdamW while the method trains.
        """

        learning_rate: float = searched(1e-3, 3e-4, 3e-3)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "search_space" in vars(cls):
            raise TypeError(
                f"{cls.__name__}.search_space is no longer read: the values that tuning tries are declared with each "
                "hyper-parameter, the default first: `temperature: float = searched(0.07, 0.05, 0.1, 0.2)`; see "
                "docs/adding_a_baseline.md"
            )
        if "Hyperparameters" in vars(cls) and "__dataclass_fields__" not in vars(cls.Hyperparameters):
            dataclass(frozen=True)(cls.Hyperparameters)  # changes the class in place

    def __init__(self, hyperparameters: Any) -> None:
        super().__init__()
        self.hyperparameters: Any = hyperparameters

    @classmethod
    def search_grids(cls) -> dict[str, tuple[Any, ...]]:
        """The values that tuning tries for each hyper-parameter; a closed-form method has no learning rate."""
        grids = {
            field.name: field.metadata["grid"] for field in dataclasses.fields(cls.Hyperparameters) if field.metadata
        }
        return {name: grid for name, grid in grids.items() if not (cls.closed_form and name == "learning_rate")}

    @classmethod
    def supports(cls, card: Card) -> tuple[bool, str]:
        """Whether the method can work on the data set, and the reason if it cannot, worded for people."""
        return True, ""

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """An untrained network; a method overrides this to use encoders of its own."""
        from pmrl.method.networks import Network

        return Network(dataset, settings)

    def fit(self, network: Network, examples: Batch) -> None:
        """Set the network's weights from all training examples at once; for closed-form methods."""

    @property
    def trains_matching(self) -> bool:
        """Whether the matching head is trained, so that re-ranking with it is meaningful."""
        return getattr(self.hyperparameters, "matching_weight", 0.0) > 0

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Named scalar terms, already weighted; training minimises their sum."""
        raise TypeError(f"{type(self).__name__} does not define loss(embeddings)")

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Scores (queries, gallery items), higher is better, from the modalities that each side has.

        Without an override, the cosine of the two sides' centroids.
        """
        return query.centroid() @ gallery.centroid().T


Hyperparameters = Method.Hyperparameters


@contextmanager
def blaming(method: Method | type[Method], part: str) -> Iterator[None]:
    """Turn any error inside the block into a UserError that names the method, the part and the line in its file.

    Raises:
        UserError: with the original error as its cause; a UserError that already names the method passes unchanged.
    """
    try:
        yield
    except UserError as error:
        if method.title in str(error):
            raise
        raise UserError(f"Method {method.title!r}: {part}: {error}") from error
    except Exception as error:
        file = inspect.getfile(method if inspect.isclass(method) else type(method))
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        place = f"{Path(file).name}, line {lines[-1]}" if lines else Path(file).name
        raise UserError(
            f"Method {method.title!r}: {part} failed in {place}: {type(error).__name__}: {error}"
        ) from error


def load_method(name: str) -> type[Method]:
    """The class that the method's file defines.

    Raises:
        UserError: unknown name, the file cannot be imported, or it does not define exactly one method.
    """
    path = method_file(name)
    module_name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name in MOVED:
            raise UserError(
                f"Method {name!r}: {path.name} imports {error.name}, whose names have moved to pmrl.method: "
                "write `from pmrl.method import …`, see docs/adding_a_baseline.md."
            ) from error
        raise UserError(f"Method {name!r}: {path.name} cannot be imported: {error!r}.") from error
    except Exception as error:
        raise UserError(f"Method {name!r}: {path.name} cannot be imported: {error!r}.") from error
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Method) and member.__module__ == module_name
    ]
    if len(classes) != 1:
        names = ", ".join(c.__name__ for c in classes) or "none"
        raise UserError(f"Method {name!r}: {path.name} must define exactly one Method class; found {names}.")
    return classes[0]


def build_method(name: str, values: dict[str, Any]) -> Method:
    """A method with the given hyper-parameters; all others keep their defaults.

    Raises:
        UserError: unknown method or hyper-parameter, or a value of the wrong type.
    """
    cls = load_method(name)
    fields = {field.name: field for field in dataclasses.fields(cls.Hyperparameters)}
    for key, value in values.items():
        if key not in fields:
            raise UserError(
                f"Method {name!r} has no hyper-parameter {key!r}. Valid hyper-parameters: {', '.join(fields)}."
            )
        default = fields[key].default
        if isinstance(default, str) != isinstance(value, str) or not isinstance(value, int | float | str | bool):
            raise UserError(
                f"Method {name!r}: hyper-parameter {key!r} is {value!r}; "
                f"expected a {type(default).__name__} such as {default!r}."
            )
        if isinstance(default, float):
            values = {**values, key: float(value)}
    with blaming(cls, "__init__"):
        return cls(cls.Hyperparameters(**values))


def is_supported(name: str, card: Card) -> tuple[bool, str]:
    """Whether a method can work on a data set, and the reason if it cannot.

    Raises:
        UserError: the method's own ``supports`` fails.
    """
    cls = load_method(name)
    with blaming(cls, "supports"):
        return cls.supports(card)
