"""Where the network runs."""

from __future__ import annotations

import torch

AUTOMATIC = "auto"


class DeviceUnavailableError(ValueError):
    """The device asked for is not there."""


def available_devices() -> tuple[str, ...]:
    """Device names, the fastest first; the CPU is always the last."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


def select_device(name: str = AUTOMATIC) -> torch.device:
    """The device of a name, or the fastest.

    Raises:
        DeviceUnavailableError: no such device here.
    """
    devices = available_devices()
    if name == AUTOMATIC:
        return torch.device(devices[0])
    if name not in devices and name not in {device.split(":")[0] for device in devices}:
        raise DeviceUnavailableError(f"There is no device '{name}' here. Choose one of: auto, {', '.join(devices)}.")
    return torch.device(name)


def free_memory(device: torch.device) -> int | None:
    """Free bytes on a device, or None where it cannot be told (it is the CPU's, or MPS's shared one)."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
