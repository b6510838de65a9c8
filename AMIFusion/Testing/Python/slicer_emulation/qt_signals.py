"""Signals as PythonQt offers them: by name or by signature, arguments cut to what the callable takes.

A callable that has a Qt signal's fewer arguments is called with as many as it takes (functions and bound methods;
anything else, functools.partial included, gets them all). What a callable raises is printed and recorded, never
passed on.
"""

import inspect
import types

import shiboken6
from PySide6 import QtCore

from . import strict_objects
from .records import record_slot_error

_connections = {}
_known_signatures = {}


def signatures(qt_object, name):
    """Signatures of the signals of that name, the longest first; emulated widgets give Slicer's C++ ones."""
    key = type(qt_object), qt_object.metaObject().className(), name
    # Every attribute that is read asks for this, and a class has hundreds of methods.
    if key not in _known_signatures:
        _known_signatures[key] = _signatures(qt_object, name)
    return list(_known_signatures[key])


def _signatures(qt_object, name):
    declared = getattr(type(qt_object), "SLICER_SIGNALS", {})
    found = [signature for signature in declared if signature.split("(")[0] == name]
    meta = qt_object.metaObject()
    for index in range(meta.methodCount()):
        method = meta.method(index)
        signature = bytes(method.methodSignature().data()).decode()
        is_signal = method.methodType() == QtCore.QMetaMethod.Signal and bytes(method.name().data()).decode() == name
        if is_signal and signature not in declared.values():
            found.append(signature)
    return sorted(found, key=lambda signature: (signature.endswith("()"), -signature.count(",")))


def _resolved(qt_object, signature):
    """(Slicer's signature, the one connected in PySide6, number of arguments), or None where there is none."""
    if "(" not in signature:
        return None
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    same_name = signatures(qt_object, normalized.split("(")[0])
    if normalized not in same_name:
        return None
    arguments = normalized.split("(")[1].rstrip(")")
    count = arguments.count(",") + 1 if arguments else 0
    actual = getattr(type(qt_object), "SLICER_SIGNALS", {}).get(normalized, normalized)
    if count == 0 and same_name[0] != normalized:
        actual = same_name[0]  # clicked() is clicked(bool) without its argument: one signal, one order of slots
    return normalized, actual, count


def argument_limit(target):
    """How many positional arguments PythonQt passes to the callable at most; None: all."""
    function = target.__func__ if isinstance(target, types.MethodType) else target
    if not isinstance(function, types.FunctionType):
        return None
    code = function.__code__
    if code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - (1 if isinstance(target, types.MethodType) else 0)


def guarded(target, where, count=None):
    """The callable as Qt may call it: arguments wrapped and cut, exceptions printed and recorded."""
    limits = [limit for limit in (argument_limit(target), count) if limit is not None]

    def slot(*arguments):
        passed = [strict_objects.wrap(argument) for argument in arguments]
        try:
            target(*passed[: min(limits)] if limits else passed)
        except BaseException as error:  # even pytest's own outcomes, which Qt would lose
            record_slot_error(where, error)

    return slot


def connect(qt_object, signature, target):
    """Connect; False where there is no such signal."""
    resolved = _resolved(qt_object, signature)
    if resolved is None:
        return False
    normalized, actual, count = resolved
    slot = guarded(target, f"{type(qt_object).__name__}.{normalized}", count)
    QtCore.QObject.connect(qt_object, QtCore.SIGNAL(actual), slot)
    _kept(qt_object).append((normalized, actual, target, slot))
    return True


def disconnect(qt_object, signature, target=None):
    """Disconnect one callable, or all; False where nothing was connected so."""
    resolved = _resolved(qt_object, signature) if shiboken6.isValid(qt_object) else None
    if resolved is None:
        return False
    kept = _kept(qt_object)
    gone = [entry for entry in kept if entry[0] == resolved[0] and (target is None or entry[2] == target)]
    for entry in gone:
        kept.remove(entry)
        QtCore.QObject.disconnect(qt_object, QtCore.SIGNAL(entry[1]), entry[3])
    return bool(gone)


def _kept(qt_object):
    """The object's connections made here; forgotten when Qt destroys it."""
    address = shiboken6.getCppPointer(qt_object)[0]
    if address not in _connections:
        _connections[address] = []
        qt_object.destroyed.connect(lambda *_: _connections.pop(address, None))
    return _connections[address]


class Signal:
    """`w.clicked`: connect, disconnect, emit."""

    def __init__(self, qt_object, name):
        self._object, self._name = qt_object, name
        self._signature = signatures(qt_object, name)[0]

    def connect(self, target):
        """Connect a callable to the signal's fullest form."""
        return connect(self._object, self._signature, target)

    def disconnect(self, target=None):
        """Disconnect one callable, or all."""
        return disconnect(self._object, self._signature, target)

    def emit(self, *arguments):
        """Emit the overload that takes as many arguments."""
        _, actual, count = _resolved(self._object, self._signature)
        if len(arguments) < count:
            actual = f"{self._name}()"
        self._object.emit(QtCore.SIGNAL(actual), *[strict_objects.unwrap(value) for value in arguments])

    __call__ = emit

    def __repr__(self):
        return f"<qt signal {self._name} of {type(self._object).__name__} instance at 0x{id(self._object):x}>"
