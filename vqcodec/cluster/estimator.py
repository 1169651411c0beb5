"""What scikit-learn expects of an estimator, without importing scikit-learn.

Parameters by introspection, feature names, tags and warnings. Where a protocol
wants one of scikit-learn's own classes, it is taken from there only if
scikit-learn has been imported already: whoever catches it has done so.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword, assign_all
from vqcodec.cluster.progress import ProgressCallback
from vqcodec.cluster.validate import Seed, as_codebook, as_vectors, as_weights
from vqcodec.errors import ParameterError, VQError


class UnfittedError(VQError, ValueError, AttributeError):
    """A fitted estimator is needed, and this one is not."""


class DistinctPointsWarning(UserWarning):
    """There are fewer distinct points than clusters."""


def _theirs(name: str, ours: type) -> type:
    """Return a class that is `ours` and also scikit-learn's `name`, if that is in use."""
    module = sys.modules.get("sklearn.exceptions")
    if module is None:
        return ours
    return type(ours.__name__, (ours, getattr(module, name)), {})


def warn_of_few_clusters(found: int, wanted: int) -> None:
    """Warn that fewer distinct clusters were found than asked for."""
    warnings.warn(
        f"Number of distinct clusters ({found}) found smaller than n_clusters ({wanted}). "
        "Possibly due to duplicate points in X.",
        _theirs("ConvergenceWarning", DistinctPointsWarning),
        stacklevel=4,
    )


class Estimator:
    """Parameters, checks of input and tags, shared by the estimators."""

    def __init__(self) -> None:
        """Take parameters, and store each under its own name."""

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` makes no difference, there are no nested ones."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name, and return self."""
        for name in params:
            if name not in self._parameter_names():
                raise ParameterError(
                    f"Invalid parameter {name!r} for {type(self).__name__}. "
                    f"Valid parameters are: {self._parameter_names()}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if not (value is defaults[name].default or repr(value) == repr(defaults[name].default))
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's description of what this estimator can do; only it calls this."""
        theirs = importlib.import_module("sklearn.utils")
        return theirs.Tags(
            estimator_type="clusterer",
            target_tags=theirs.TargetTags(required=False),
            transformer_tags=theirs.TransformerTags(preserves_dtype=["float64", "float32"]),
            input_tags=theirs.InputTags(sparse=False),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cluster_centers_")

    def _fitted(self) -> None:
        if not hasattr(self, "cluster_centers_"):
            raise _theirs("NotFittedError", UnfittedError)(
                f"This {type(self).__name__} instance is not fitted yet. "
                "Call 'fit' with appropriate arguments before using this estimator."
            )

    def _points_to_fit(self, X: Any) -> np.ndarray:
        """Check training data, and remember the names and the number of its columns."""
        points = as_points(X)
        names = _feature_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.n_features_in_ = points.shape[1]
        return points

    def _points_to_use(self, X: Any) -> np.ndarray:
        """Check data against the training data."""
        self._fitted()
        self._check_names(_feature_names(X))
        points = as_points(X)
        if points.shape[1] != self.n_features_in_:
            raise ParameterError(
                f"X has {points.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return points

    def _check_names(self, names: np.ndarray | None) -> None:
        known = getattr(self, "feature_names_in_", None)
        if names is None and known is None:
            return
        if known is None:
            warnings.warn(
                f"X has feature names, but {type(self).__name__} was fitted without feature names",
                UserWarning,
                stacklevel=4,
            )
        elif names is None:
            warnings.warn(
                f"X does not have valid feature names, but {type(self).__name__} was fitted "
                "with feature names",
                UserWarning,
                stacklevel=4,
            )
        elif list(names) != list(known):
            raise ParameterError(
                "The feature names should match those that were passed during fit.\n"
                + _difference(list(names), list(known))
            )


class Clusterer(Estimator):
    """What both estimators can do once they have codewords."""

    n_clusters: int
    init: Any
    n_init: Any
    max_iter: int
    tol: float
    verbose: int
    random_state: Seed
    progress: ProgressCallback | None
    cluster_centers_: np.ndarray
    labels_: np.ndarray
    inertia_: float
    _restarts = 10  # of random starts, where n_init is "auto"

    def predict(self, X: Any) -> np.ndarray:
        """Return the (n,) int32 labels of the nearest codewords of `X`."""
        return self._assigned(X)[0]

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and return the labels of the training data."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def transform(self, X: Any) -> np.ndarray:
        """Return the (n, n_clusters) distances of `X` to all codewords."""
        from scipy.spatial.distance import cdist

        points = self._points_to_use(X)
        distances = cdist(points.astype(np.float64), self.cluster_centers_.astype(np.float64))
        return distances.astype(points.dtype)

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and return the distances of the training data to all codewords."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the squared error of `X`."""
        _, distances = self._assigned(X)
        weights = as_weights(sample_weight, len(distances))
        return -float(distances.sum() if weights is None else distances @ weights)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Train the codebook."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of `transform`."""
        self._fitted()
        prefix = type(self).__name__.lower()
        return np.asarray([f"{prefix}{k}" for k in range(len(self.cluster_centers_))], dtype=object)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def _assigned(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        points = self._points_to_use(X)
        codebook = self.cluster_centers_.astype(np.float64)
        return assign_all(NearestCodeword(codebook, Frame.of(points)), points)

    def _check(self, points: np.ndarray) -> Any:
        """Check the parameters against the data; return where to start."""
        for name in ("n_clusters", "max_iter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{name} must be an integer of at least 1, got {value!r}")
        if not self.tol >= 0:
            raise ParameterError(f"tol must not be negative, got {self.tol!r}")
        if len(points) < self.n_clusters:
            raise ParameterError(
                f"n_samples={len(points)} should be >= n_clusters={self.n_clusters}."
            )
        init = self.init
        if not isinstance(init, str) and not callable(init):
            init = self._explicit(init, points)
        self._n_init = self._number_of_starts(init)
        return init if isinstance(init, str | np.ndarray) else self._called(init, points)

    def _explicit(self, init: Any, points: np.ndarray) -> np.ndarray:
        init = as_codebook(init, np.shape(init)[-1] if np.ndim(init) else 0, "init")
        if len(init) != self.n_clusters:
            raise ParameterError(
                f"The shape of the initial centers {init.shape} does not match "
                f"the number of clusters {self.n_clusters}."
            )
        if init.shape[1] != points.shape[1]:
            raise ParameterError(
                f"The shape of the initial centers {init.shape} does not match "
                f"the number of features of the data {points.shape[1]}."
            )
        return init.astype(points.dtype).astype(np.float64)

    def _called(self, init: Any, points: np.ndarray) -> Any:
        """Return a callable as `seed_codebook` wants it, calling the user's with all points."""
        return lambda _, k, generator: self._explicit(
            init(points, k, random_state=generator), points
        )

    def _number_of_starts(self, init: Any) -> int:
        if isinstance(init, np.ndarray):
            if self.n_init not in ("auto", 1):
                warnings.warn(
                    "Explicit initial center position passed: performing only one init in "
                    f"{type(self).__name__} instead of n_init={self.n_init}.",
                    RuntimeWarning,
                    stacklevel=4,
                )
            return 1
        if self.n_init == "auto":
            return self._restarts if callable(init) or init == "random" else 1
        if isinstance(self.n_init, bool) or not isinstance(self.n_init, int | np.integer):
            raise ParameterError(f"n_init must be 'auto' or an integer, got {self.n_init!r}")
        if self.n_init < 1:
            raise ParameterError(f"n_init must be at least 1, got {self.n_init}")
        return int(self.n_init)

    def _say(self, line: str) -> None:
        if self.verbose:
            print(line)

    def _keep(self, points: np.ndarray, codebook: np.ndarray) -> None:
        """Store the codebook in the precision of the data."""
        self.cluster_centers_ = codebook.astype(points.dtype)

    def _label(self, points: np.ndarray, weights: np.ndarray | None) -> None:
        """Store labels and distortion, which belong to the codebook as stored."""
        codebook = self.cluster_centers_.astype(np.float64)
        self.labels_, distances = assign_all(NearestCodeword(codebook, Frame.of(points)), points)
        self.inertia_ = float(distances.sum() if weights is None else distances @ weights)


def as_points(X: Any) -> np.ndarray:
    """Check data as scikit-learn does: integers of every size are float64."""
    if not hasattr(X, "toarray"):
        X = np.asarray(X)
        if X.dtype.kind in "iub":
            X = X.astype(np.float64)
    return as_vectors(X, "X")


def _feature_names(X: Any) -> np.ndarray | None:
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.asarray(list(columns), dtype=object)


def _difference(names: list[str], known: list[str]) -> str:
    unexpected, missing = sorted(set(names) - set(known)), sorted(set(known) - set(names))
    lines = []
    if unexpected:
        lines += ["Feature names unseen at fit time:", *(f"- {name}" for name in unexpected)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *(f"- {n}" for n in missing)]
    if not lines:
        lines = ["Feature names must be in the same order as they were in fit."]
    return "\n".join(lines) + "\n"
