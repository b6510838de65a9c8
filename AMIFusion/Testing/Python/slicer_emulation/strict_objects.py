"""Strict stand-ins for PythonQt's wrappers around Qt objects.

A proxy holds one PySide6 object. Through the object's meta-object it offers what PythonQt offers: properties
as attributes (and no getter of the same name), signals, methods, dynamic properties, class-scoped enums as
integers. Anything else raises, where PySide6 would accept it silently.
"""

import enum
import functools
import os
import weakref

import numpy
import shiboken6
from PySide6 import QtCore, QtGui

from . import qt_signals
from .records import refused_connections

# QObject members that PySide6 shows and PythonQt does not, and Qt 6 members that Slicer's Qt 5.15 lacks.
HIDDEN = {
    "emit",
    "sender",
    "senderSignalIndex",
    "receivers",
    "isSignalConnected",
    "connectNotify",
    "disconnectNotify",
    "tr",
    "checkStateChanged",
    "staticMetaObject",
    "isQuickItemType",
    # Setters of ctk's and qMRML's that are neither slots nor invokable: only their properties reach Python.
    "setCollapsed",
    "setNodeTypes",
    "setShowChildNodeTypes",
    "setShowHidden",
}
_live = weakref.WeakValueDictionary()
_classes = {}
_overrides = {}


class EnumValue(int):
    """A Qt enum's value: an integer to Python, as in PythonQt, that still knows its Qt type."""

    def __new__(cls, member):
        value = int.__new__(cls, member.value)
        value.member = member
        return value

    def _combined(self, other, operation):
        if isinstance(other, EnumValue) and isinstance(other.member, type(self.member)):
            return EnumValue(getattr(self.member, operation)(other.member))
        return getattr(int, operation)(self, other)

    def __or__(self, other):
        return self._combined(other, "__or__")

    def __and__(self, other):
        return self._combined(other, "__and__")


def override(qt_class, name, function):
    """Replace a method by `function(qt_object, *unwrapped_arguments)`; the object is None for a static one."""
    _overrides.setdefault(qt_class, {})[name] = function


def _override_of(qt_class, name):
    for ancestor in qt_class.__mro__:
        function = _overrides.get(ancestor, {}).get(name)
        if function is not None:
            return function
    return None


def wrap(value):
    """What PythonQt would hand to Python for a value that Qt gave."""
    if isinstance(value, enum.Enum) and type(value).__module__.startswith("PySide6"):
        return EnumValue(value)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return tuple(wrap(item) for item in value)
    if isinstance(value, QtCore.QObject):
        return _wrap_object(value)
    if isinstance(value, shiboken6.Shiboken.Object):
        return _new_proxy(value)
    return value


def _wrap_object(qt_object):
    address = shiboken6.getCppPointer(qt_object)[0]
    proxy = _live.get(address)
    if proxy is None or proxy.qt_object is not qt_object or not shiboken6.isValid(proxy.qt_object):
        proxy = _live[address] = _new_proxy(qt_object)
    return proxy


def _new_proxy(qt_object):
    proxy_type = proxy_class(type(qt_object))
    proxy = object.__new__(proxy_type)
    object.__setattr__(proxy, "qt_object", qt_object)
    return proxy


def unwrap(value):
    """The PySide6 value for an argument; refuses what PythonQt cannot convert."""
    if isinstance(value, Proxy):
        return live(value)
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, ProxyType):
        return value.qt_class
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(item) for item in value)
    if isinstance(value, (os.PathLike, numpy.generic)) and not isinstance(value, (float, int, str)):
        raise TypeError(f"PythonQt does not convert a {type(value).__name__}: {value!r}")
    return value


def live(proxy):
    """The Qt object, refused as PythonQt does once C++ has deleted it."""
    if not shiboken6.isValid(proxy.qt_object):
        raise ValueError(f"Trying to use a destroyed {type(proxy).__name__} object")
    return proxy.qt_object


def proxy_class(qt_class):
    """The proxy class that mirrors a PySide6 class (or an emulated one), with mirrored bases."""
    if qt_class in (object, shiboken6.Shiboken.Object):
        return Proxy
    if qt_class not in _classes:
        bases = tuple(dict.fromkeys(proxy_class(base) for base in qt_class.__bases__))
        bases = tuple(base for base in bases if base is not Proxy) or (Proxy,)
        _classes[qt_class] = type.__new__(
            ProxyType, qt_class.__name__, bases, {"qt_class": qt_class, "__module__": _module_name(qt_class)}
        )
    return _classes[qt_class]


def _module_name(qt_class):
    if qt_class.__module__.startswith("PySide6"):
        return "PythonQt.QtCore" if qt_class.__module__.endswith("QtCore") else "PythonQt.QtGui"
    return "PythonQt.CTKWidgets" if qt_class.__name__.startswith("ctk") else "PythonQt.qMRMLWidgets"


def call(target, where, arguments, keywords):
    """Call Qt with unwrapped arguments; a signature that does not fit is PythonQt's ValueError."""
    if keywords:
        raise TypeError(f"{where}: PythonQt takes no keyword arguments ({', '.join(keywords)})")
    try:
        return wrap(target(*[unwrap(argument) for argument in arguments]))
    except TypeError as error:
        raise ValueError(f"Could not find matching overload for given arguments: {where}: {error}") from error


class Method:
    """A Qt method, bound to an object or not."""

    def __init__(self, owner, name, target, unbound=""):
        self._where, self._target, self._unbound = f"{owner}.{name}", target, unbound

    def __call__(self, *arguments, **keywords):
        return call(self._target, self._where, arguments, keywords)

    def __eq__(self, other):
        return isinstance(other, Method) and (self._where, self._target) == (other._where, other._target)

    def __hash__(self):
        return hash(self._where)

    def __repr__(self):
        owner, name = self._where.split(".")
        if self._unbound:
            return f"<unbound qt slot {self._unbound}{owner}_{name} of {owner} type>"
        return f"<qt slot {name} of {owner} instance>"


class ProxyType(type):
    """Class-level access: constructors, statics, unbound methods and class-scoped enums."""

    def __new__(mcs, name, bases, namespace):
        if name != "Proxy":
            raise TypeError(f"the emulation has no subclassing of Qt classes in Python ({name})")
        return super().__new__(mcs, name, bases, namespace)

    def __call__(cls, *arguments, **keywords):
        return call(cls.qt_class, cls.__name__, arguments, keywords)

    def __getattr__(cls, name):
        qt_class = type.__getattribute__(cls, "__dict__").get("qt_class")
        function = qt_class and _override_of(qt_class, name)
        if function:
            return Method(cls.__name__, name, functools.partial(function, None), "static_")
        found = getattr(qt_class, name, None)
        if qt_class is None or name.startswith("_") or name in HIDDEN or found is None:
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        if isinstance(found, type):
            if issubclass(found, enum.Enum):
                raise AttributeError(f"{cls.__name__}.{name}: PythonQt has class-scoped enum values only")
            return proxy_class(found)
        return Method(cls.__name__, name, found, "static_") if callable(found) else wrap(found)

    def __setattr__(cls, name, value):
        raise AttributeError(f"cannot set '{name}' on {cls.__name__}")


class Proxy(metaclass=ProxyType):
    """A Qt object as PythonQt shows it."""

    qt_class = None

    def __getattr__(self, name):
        if name == "qt_object" or name.startswith("_"):
            raise AttributeError(name)
        return _read(self, live(self), name)

    def __setattr__(self, name, value):
        qt_object = live(self)
        if not isinstance(qt_object, QtCore.QObject) or not _is_property(qt_object, name):
            raise AttributeError(
                f"'{name}' does not exist on {type(self).__name__} and creating new attributes "
                "on C++ objects is not allowed"
            )
        _write_property(qt_object, name, value)

    def __dir__(self):
        return [name for name in dir(type(self.qt_object)) if not name.startswith("_") and name not in HIDDEN]

    def __eq__(self, other):
        return isinstance(other, Proxy) and self.qt_object == other.qt_object

    def __hash__(self):
        return hash(self.qt_object)

    def __repr__(self):
        return describe(self.qt_object)


def describe(qt_object):
    """The object as PythonQt prints it."""
    name, address = type(qt_object).__name__, f"0x{shiboken6.getCppPointer(qt_object)[0]:x}"
    if isinstance(qt_object, QtGui.QIcon) and qt_object.isNull():
        return "QIcon(null) "
    if qt_object.__class__.__name__ in ("QSize", "QRect", "QPoint"):
        values = repr(qt_object).split("(", 1)[1].rstrip(")")
        return f"{name} ({values}, at: {address})"
    if isinstance(qt_object, QtCore.QObject) and qt_object.isWidgetType():
        return f"{name}({address}) "
    return f"{name} ({name} at: {address})"


def _read(proxy, qt_object, name):
    if isinstance(qt_object, QtCore.QObject):
        found, value = _read_object(qt_object, name)
        if found:
            return value
    member = getattr(type(qt_object), name, None)
    if member is None or name in HIDDEN or isinstance(member, type):
        raise AttributeError(f"{type(proxy).__name__} has no attribute named '{name}'")
    if callable(member):
        return Method(type(proxy).__name__, name, getattr(qt_object, name))
    return wrap(member)


def _read_object(qt_object, name):
    """(True, value) for what only QObjects have: overrides, properties, signals, connect."""
    function = _override_of(type(qt_object), name)
    if function:
        return True, Method(type(qt_object).__name__, name, functools.partial(function, qt_object))
    if _is_property(qt_object, name):
        return True, _read_property(qt_object, name)
    if name == "name":
        return True, qt_object.objectName()
    if name == "className":
        return True, lambda: type(qt_object).__name__
    if name in ("connect", "disconnect"):
        return True, _connector(qt_object, name)
    if qt_signals.signatures(qt_object, name) and name not in HIDDEN:
        return True, qt_signals.Signal(qt_object, name)
    return False, None


def _is_property(qt_object, name):
    return qt_object.metaObject().indexOfProperty(name) >= 0 or name in [
        bytes(known.data()).decode() for known in qt_object.dynamicPropertyNames()
    ]


def _read_property(qt_object, name):
    value = qt_object.property(name)
    if name == "toolTip" and value and not QtGui.Qt.mightBeRichText(value):
        return f"<p>{value}</p>"  # Slicer makes every tool tip rich text, so that long ones wrap
    return wrap(value)


_ACCEPTED = {"bool": (bool, int), "int": (int,), "double": (int, float), "QString": (str,)}


def _write_property(qt_object, name, value):
    kind = qt_object.metaObject().property(qt_object.metaObject().indexOfProperty(name))
    if kind.isValid():
        if not kind.isWritable():
            raise AttributeError(f"Property '{name}' of type '{kind.typeName()}' is not writable")
        value = int(value) if isinstance(value, EnumValue) else unwrap(value)
        accepted = _ACCEPTED.get(kind.typeName(), (object,))
        if not isinstance(value, accepted):
            raise AttributeError(
                f"Property '{name}' of type '{kind.typeName()}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            )
    if not qt_object.setProperty(name, unwrap(value)) and kind.isValid():
        raise AttributeError(f"Property '{name}' refused {value!r}")


def _connector(qt_object, name):
    """`w.connect('clicked()', f)`, `w.connect('clicked()', receiver, 'slot()')` and the same for disconnect."""

    def act(signature, target, slot=None):
        if slot is not None:
            target = getattr(target, slot.split("(")[0])
        done = getattr(qt_signals, name)(qt_object, signature, target)
        if name == "connect" and not done:
            refused_connections.append(f"{type(qt_object).__name__}.{signature}")
        return done

    return act
