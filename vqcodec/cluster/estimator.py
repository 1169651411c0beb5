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

from vqcodec.cluster.validate import as_vectors
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
