"""Types, validators and storage of `slicer.parameterNodeWrapper`.

Written from Slicer's developer guide and the recorded contract. Lists, tuples, dictionaries and parameter packs are
refused with a message, because nothing recorded how Slicer stores them.
"""

import abc
import enum
import pathlib
import types
import typing

import slicer


class Validator(abc.ABC):
    """Base of every validator: `validate` raises where the value does not fit."""

    @abc.abstractmethod
    def validate(self, value):
        """Raise ValueError or TypeError where the value does not fit."""


class NotNone(Validator):
    """The value is not None."""

    def validate(self, value):
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """The value is of a type, or of one of several."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value):
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is type '{type(value)}' value '{value}'")


class Minimum(Validator):
    """The value is at least this."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    """The value is at most this."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value):
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class WithinRange(Validator):
    """The value is within a closed range."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Choice(Validator):
    """The value is one of a list."""

    def __init__(self, choices):
        self.choices = list(choices)

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


class Exclude(Validator):
    """The value is none of a list."""

    def __init__(self, excluded):
        self.excluded = list(excluded)

    def validate(self, value):
        if value in self.excluded:
            raise ValueError(f"Value is {value}, but must not be one of the following: {self.excluded}")


class Default:
    """A default value, or a function that makes it."""

    def __init__(self, value=None, *, generator=None):
        self.generator = generator or (lambda: value)


class Decimals:
    """How many decimals a connected widget shows."""

    def __init__(self, value):
        self.value = value


class SingleStep:
    """The step of a connected widget."""

    def __init__(self, value):
        self.value = value


_PLAIN_DEFAULTS = {int: 0, float: 0.0, str: "", bool: False}
_STORED_AS_TEXT = (*_PLAIN_DEFAULTS, enum.Enum, pathlib.PurePath)
_MISSING = object()


class Parameter:
    """One parameter: its type, validators, default and the way it is kept in a vtkMRMLScriptedModuleNode."""

    def __init__(self, name, annotation, assigned=_MISSING):
        self.name = name
        annotation, self.annotations = _split(annotation)
        self.types, self.optional = _members(annotation)
        plain = all(typing.get_origin(kind) is None for kind in self.types)
        self.is_node = plain and all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.types)
        is_text = plain and len(self.types) == 1 and issubclass(self.types[0], _STORED_AS_TEXT)
        if not self.is_node and not is_text:
            raise TypeError(f"{name}: the emulation does not store {self.types}")
        self.validators = [*self._type_validators(), *(a for a in self.annotations if isinstance(a, Validator))]
        self._default = self._default_maker(assigned)
        self.validate(self._default())

    def _type_validators(self):
        if self.is_node:
            return [IsInstance(self.types[0] if len(self.types) == 1 else self.types)]
        allowed = (int, float) if self.types == (float,) else self.types[0]
        return [*([] if self.optional else [NotNone()]), IsInstance(allowed)]

    def _default_maker(self, assigned):
        declared = next((a for a in self.annotations if isinstance(a, Default)), None)
        if assigned is not _MISSING:
            return lambda: assigned
        if declared is not None:
            return declared.generator
        if self.is_node or self.optional:
            return lambda: None
        kind = self.types[0]
        if issubclass(kind, enum.Enum):
            return lambda: next(iter(kind))
        return lambda: _PLAIN_DEFAULTS[kind] if kind in _PLAIN_DEFAULTS else kind()

    def annotation(self, kind):
        """The annotation of a class, or None."""
        return next((found for found in self.annotations if isinstance(found, kind)), None)

    def default(self):
        """The default value."""
        return self._default()

    def validate(self, value):
        """Raise where the value does not fit."""
        for validator in self.validators:
            if value is not None or isinstance(validator, (NotNone, IsInstance)):
                validator.validate(value)

    def is_in(self, node):
        """Whether the node holds the parameter."""
        return self.name in (node.GetParameterNamesAsCommaSeparatedList() or "").split(",")

    def write(self, node, value):
        """Keep a value in the node, with one ModifiedEvent at most."""
        was_modifying = node.StartModify()
        try:
            if self.is_node:
                node.SetParameter(self.name, "")
                node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            else:
                node.SetParameter(self.name, self._text(value))
        finally:
            node.EndModify(was_modifying)

    def _text(self, value):
        if value is None:
            return "None"
        return value.name if isinstance(value, enum.Enum) else str(value)

    def read(self, node):
        """The value that the node holds."""
        if self.is_node:
            return node.GetNodeReference(self.name)
        text, kind = node.GetParameter(self.name), self.types[0]
        if self.optional and text == "None":
            return None
        if issubclass(kind, enum.Enum):
            return kind[text]
        return text == "True" if kind is bool else kind(text)


def _split(annotation):
    if typing.get_origin(annotation) is typing.Annotated:
        base, *extra = typing.get_args(annotation)
        return base, extra
    return annotation, []


def _members(annotation):
    """(types without None, whether None is one of them)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = typing.get_args(annotation)
        return tuple(kind for kind in members if kind is not type(None)), type(None) in members
    return (annotation,), False
