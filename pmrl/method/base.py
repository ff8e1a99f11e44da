"""What a method is: a training loss and a retrieval score over unit embeddings, in one file.

PMRL is in ``pmrl/objective.py``, each baseline in ``baselines/<name>.py``; see docs/adding_a_baseline.md.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn, optim

from pmrl.discovery import ROOT, method_file
from pmrl.errors import UserError
from pmrl.method.steps import Step
from pmrl.ranges import Range, fitted

if TYPE_CHECKING:
    from pmrl.data.dataset import Card, Dataset
    from pmrl.method.batch import Batch
    from pmrl.method.embeddings import Embeddings
    from pmrl.method.networks import Network
    from pmrl.method.sizes import NetworkSettings, Sizes
    from pmrl.method.steps import ParameterGroup

ADAM_BETAS = (0.9, 0.98)
# Modules that baselines of version 0.1 imported; pmrl.method now exports their names.
MOVED = ("pmrl.contrastive", "pmrl.matching", "pmrl.networks")


def value(default: Any, **limits: Any) -> Any:
    """A hyper-parameter with a ``default``, which a config may override and tuning leaves alone.

    Args:
        default: must be within the limits.
        **limits: which values are allowed, as in :class:`pmrl.ranges.Range`: ``above``, ``at_least``, ``below`` and
            ``at_most`` for numbers, ``choices`` for texts. A value outside is refused before anything trains.
    """
    return dataclasses.field(default=default, metadata={"range": _range_around((default,), limits)})


def searched(default: Any, *others: Any, **limits: Any) -> Any:
    """A hyper-parameter with a ``default``; tuning chooses among the default and the ``others``.

    Args:
        default: must be within the limits, as must the ``others``.
        *others: the other values that tuning tries.
        **limits: see :func:`value`.
    """
    grid = tuple(sorted({default, *others}))
    return dataclasses.field(default=default, metadata={"grid": grid, "range": _range_around(grid, limits)})


def _range_around(values: tuple[Any, ...], limits: dict[str, Any]) -> Range:
    allowed = Range(**limits)
    outside = [value for value in values if not allowed.admits(value)]
    if outside:
        raise ValueError(f"{outside[0]!r} is declared, but expected is {allowed.describe(type(outside[0]).__name__)}")
    return allowed


class Method(nn.Module):
    """Base class: a method turns embeddings into loss terms while training and into scores while evaluating.

    A subclass sets the class attributes and implements ``loss``; ``score`` is the cosine of the two sides' centroids
    unless a method overrides it. The values that a config may override are declared in a nested class, which becomes
    a frozen dataclass::

        class Hyperparameters(Method.Hyperparameters):
            temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
            label_smoothing: float = value(0.1, at_least=0, below=1)

    A method's own learnable parameters, such as a temperature, are ordinary ``nn.Parameter`` objects, made in
    ``__init__``, or in ``setup`` if their sizes depend on the data set. State that is no parameter is a buffer. All
    other hooks are optional; docs/adding_a_baseline.md says which need is met by what, and who calls what when.

    A method with ``closed_form = True`` is not trained by gradients: ``fit`` is called once, on a new network, instead
    of the training loop, and neither ``loss`` nor the foundation is used. A method with ``learns = False`` is a
    yardstick that is expected to score no better than an untrained network. ``wants`` names what ``loss`` needs of the
    batch beside its embeddings: ``features``, ``labels``, ``ids``. ``step`` says where training stands, and logs.

    Args:
        hyperparameters: an instance of the class's ``Hyperparameters``.
    """

    title: ClassVar[str]
    reference: ClassVar[str]
    color: ClassVar[str]
    closed_form: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    wants: ClassVar[tuple[str, ...]] = ()

    @dataclass(frozen=True)
    class Hyperparameters:
        """Values that every method has; each method's own ``Hyperparameters`` inherit from these.

        Attributes:
            learning_rate: peak learning rate of AdamW while the method trains.
        """

        learning_rate: float = searched(5e-3, 2e-3, 1e-2, above=0)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "search_space" in vars(cls):
            raise TypeError(
                f"{cls.__name__}.search_space is no longer read: the values that tuning tries are declared with each "
                "hyper-parameter, the default first: `temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)`; "
                "see docs/adding_a_baseline.md"
            )
        if "Hyperparameters" in vars(cls) and "__dataclass_fields__" not in vars(cls.Hyperparameters):
            dataclass(frozen=True)(cls.Hyperparameters)  # changes the class in place

    def __init__(self, hyperparameters: Any) -> None:
        super().__init__()
        self.hyperparameters: Any = hyperparameters
        self.step = Step()

    @classmethod
    def search_grids(cls) -> dict[str, tuple[Any, ...]]:
        """The values that tuning tries for each hyper-parameter; a closed-form method has no learning rate."""
        fields = dataclasses.fields(cls.Hyperparameters)
        grids = {field.name: field.metadata["grid"] for field in fields if "grid" in field.metadata}
        return {name: grid for name, grid in grids.items() if not (cls.closed_form and name == "learning_rate")}

    @classmethod
    def supports(cls, card: Card) -> tuple[bool, str]:
        """Whether the method can work on the data set, and the reason if it cannot, worded for people."""
        return True, ""

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """An untrained network; a method overrides this for encoders of its own.

        It is called once for each method, before training and before a checkpoint is loaded.
        """
        from pmrl.method.networks import Network

        return Network(dataset, settings)

    def setup(self, sizes: Sizes, network: Network) -> None:
        """Make parameters and buffers whose sizes depend on the data set, or that copy those of the network.

        It is called once, right after ``new_network``.
        """

    def start_from(self, network: Network, weights: dict[str, Tensor]) -> None:
        """Load the foundation's weights into the network; a method overrides this for encoders of its own.

        Raises:
            RuntimeError: the weights do not fit.
        """
        network.load_state_dict(weights)

    def begin_stage(self, network: Network, examples: Batch) -> None:
        """Called before the first step of each stage, with all its standardised training instances."""

    def parameter_groups(self, network: Network) -> Sequence[ParameterGroup]:
        """Parameters that train otherwise than the rest, for instance faster; each parameter in one group at most."""
        return ()

    def new_optimizer(self, groups: list[dict[str, Any]]) -> optim.Optimizer:
        """The optimiser of parameter groups that hold ``params``, ``lr`` and ``weight_decay``: AdamW."""
        return optim.AdamW(groups, betas=ADAM_BETAS, fused=True)

    def after_step(self, network: Network) -> None:
        """Called after each update of the parameters, for instance for a momentum teacher."""

    def fit(self, network: Network, examples: Batch) -> None:
        """Set the network's weights from all training examples at once; for closed-form methods."""

    @property
    def trains_matching(self) -> bool:
        """Whether the matching head is trained, so that re-ranking with it is meaningful."""
        return getattr(self.hyperparameters, "matching_weight", 0.0) > 0

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Named scalar terms, already weighted; training minimises their sum. ``self.step`` says where training is."""
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
        UserError: unknown method or hyper-parameter, or a value of the wrong type or outside its range.
    """
    cls = load_method(name)
    fields = {field.name: field for field in dataclasses.fields(cls.Hyperparameters)}
    for key in values:
        if key not in fields:
            raise UserError(
                f"Method {name!r} has no hyper-parameter {key!r}. Valid hyper-parameters: {', '.join(fields)}."
            )
    checked = {key: _fitted(name, fields[key], value) for key, value in values.items()}
    with blaming(cls, "__init__"):
        return cls(cls.Hyperparameters(**checked))


def type_name(field: dataclasses.Field[Any]) -> str:
    """Name of the type that a hyper-parameter is declared with."""
    return field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))


def _fitted(method: str, field: dataclasses.Field[Any], value: Any) -> Any:
    try:
        return fitted(value, type_name(field), field.metadata.get("range", Range()))
    except ValueError as error:
        raise UserError(f"Method {method!r}: hyper-parameter {field.name!r} is {error}.") from error


def is_supported(name: str, card: Card) -> tuple[bool, str]:
    """Whether a method can work on a data set, and the reason if it cannot.

    Raises:
        UserError: the method's own ``supports`` fails.
    """
    cls = load_method(name)
    with blaming(cls, "supports"):
        return cls.supports(card)
