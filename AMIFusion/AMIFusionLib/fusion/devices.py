"""Where the network runs."""

from __future__ import annotations

import torch

from ..translation import tr as _
from .cpu import describe_processor

AUTOMATIC = "auto"


class DeviceUnavailableError(ValueError):
    """The device asked for is not there."""


def available_devices() -> tuple[str, ...]:
    """Device names, the fastest first; the CPU is always the last."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


def describe_device(name: str) -> str:
    """A device for the user: what it is and how much memory it has.

    Args:
        name: one of ``available_devices``.
    """
    if name.startswith("cuda"):
        properties = torch.cuda.get_device_properties(name)
        return _("GPU {name}, {size:.0f} GB").format(name=properties.name, size=properties.total_memory / 1e9)
    return describe_processor(_("Apple GPU") if name == "mps" else _("CPU"))


def select_device(name: str = AUTOMATIC) -> torch.device:
    """The device of a name, or the fastest.

    Raises:
        DeviceUnavailableError: no such device here.
    """
    devices = available_devices()
    if name == AUTOMATIC:
        return torch.device(devices[0])
    if name not in devices and name not in {device.split(":")[0] for device in devices}:
        raise DeviceUnavailableError(
            _("There is no device '{name}' here. Choose one of: {devices}.").format(
                name=name, devices=", ".join((AUTOMATIC, *devices))
            )
        )
    return torch.device(name)


def is_faster_in_bfloat16(device: torch.device) -> bool:
    """Whether a CPU multiplies matrices of bfloat16 in units made for it (Intel's AMX), much faster than float32.

    AVX-512's instructions for bfloat16 alone make the network slower. Older versions of PyTorch cannot be asked, and
    count as no.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)
    if device.type != "cpu" or ask is None or not ask().get("amx_bf16", False):
        return False
    # What the processor has, an older Linux may not let a process use.
    return bool(getattr(torch.cpu, "_init_amx", lambda: True)())


def free_memory(device: torch.device) -> int | None:
    """Free bytes on a device, or None where it cannot be told (it is the CPU's, or MPS's shared one)."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
